// The loop of the client stays what it was, without any library.
export const send = (url, data) =>
  fetch(`${url}/channels/news`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });

export async function follow(url, show, signal) {
  let after = "earliest";
  while (!signal.aborted) {
    const answer = await fetch(`${url}/channels/news?wait=30&after=${after}`, { signal });
    const { messages, cursor } = await answer.json();
    for (const { type, data } of messages) if (type === "message") show(data);
    after = cursor;
  }
}
