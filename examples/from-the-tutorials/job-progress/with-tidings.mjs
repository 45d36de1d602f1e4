// The end of the channel is the end of the job. Who comes late reads all of it.
export async function work(url, id) {
  const tell = (query, data) =>
    fetch(`${url}/channels/job:${id}?${query}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });
  for (const percent of [25, 50, 75, 100]) {
    await tell("event=log", `step at ${percent}`);
    await tell("event=progress", { percent });
  }
  await tell("event=done&close=true", {});
}

export function watch(tidings, id, { progress, log, done }) {
  const job = tidings.channel(`job:${id}`, { after: "earliest" });
  job.on("progress", ({ data }) => progress(data.percent));
  job.on("log", ({ data }) => log(data));
  job.on("$closed", done);
  return job.ready();
}
