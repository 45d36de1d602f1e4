// The server keeps a list, the client asks for what is newer than `lastId`, every second.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

export function serve() {
  const messages = [];
  return createServer(async (request, response) => {
    if (request.method === "POST") {
      messages.push({ id: messages.length + 1, data: await json(request) });
      return response.end();
    }
    const lastId = Number(new URL(request.url, "http://host").searchParams.get("lastId"));
    response.end(JSON.stringify(messages.filter(({ id }) => id > lastId)));
  });
}

export const send = (url, data) => fetch(url, { method: "POST", body: JSON.stringify(data) });

export function follow(url, show) {
  let lastId = 0;
  const timer = setInterval(async () => {
    const answer = await fetch(`${url}/poll?lastId=${lastId}`);
    for (const { id, data } of await answer.json()) {
      if (id <= lastId) continue; // an answer that was overtaken
      lastId = id;
      show(data);
    }
  }, 1_000);
  return () => clearInterval(timer);
}
