// Requests wait in a list until there is something newer than their `lastId`, or for 30 s.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

export function serve() {
  const messages = [];
  const waiters = new Set();
  const newer = (lastId) => messages.filter(({ id }) => id > lastId);
  return createServer(async (request, response) => {
    if (request.method === "POST") {
      messages.push({ id: messages.length + 1, data: await json(request) });
      if (messages.length > 100) messages.shift();
      for (const answer of [...waiters]) answer();
      return response.end();
    }
    const lastId = Number(new URL(request.url, "http://host").searchParams.get("lastId"));
    const answer = () => {
      clearTimeout(timer);
      waiters.delete(answer);
      response.end(JSON.stringify(newer(lastId)));
    };
    const timer = setTimeout(answer, 30_000);
    if (newer(lastId).length) return answer();
    waiters.add(answer);
    response.on("close", () => {
      clearTimeout(timer);
      waiters.delete(answer);
    });
  });
}

export const send = (url, data) => fetch(url, { method: "POST", body: JSON.stringify(data) });

export async function follow(url, show, signal) {
  let lastId = 0;
  while (!signal.aborted) {
    const answer = await fetch(`${url}/poll?lastId=${lastId}`, { signal });
    for (const { id, data } of await answer.json()) {
      lastId = id;
      show(data);
    }
  }
}
