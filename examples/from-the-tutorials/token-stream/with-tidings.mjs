// The model writes to a channel, the page follows it: a reload or a second device reads the same answer from its beginning.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { EventSource } from "eventsource";

export function serve(model, url) {
  return createServer(async (request, response) => {
    const { prompt } = await json(request);
    const channel = `${url}/channels/answer:${randomUUID()}`;
    response.end(JSON.stringify({ channel }));
    const headers = { "Content-Type": "application/json" };
    for await (const content of model(prompt)) await fetch(channel, { method: "POST", headers, body: JSON.stringify({ content }) });
    await fetch(`${channel}?close=true`, { method: "POST" });
  });
}

export async function ask(url, prompt, show) {
  const answer = await fetch(`${url}/api/chat`, { method: "POST", body: JSON.stringify({ prompt }) });
  const { channel } = await answer.json();
  const source = new EventSource(`${channel}?format=raw&after=earliest`);
  return new Promise((resolve) => {
    source.onmessage = ({ data }) => {
      if (data !== "[DONE]") return show(JSON.parse(data).content);
      source.close();
      resolve();
    };
  });
}
