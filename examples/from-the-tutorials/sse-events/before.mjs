// An EventSource with named events, its heartbeat, its ids and what it missed.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { EventSource } from "eventsource";

export function serve() {
  const clients = new Set();
  const history = [];
  return createServer(async (request, response) => {
    if (request.method === "POST") {
      const id = (history.at(-1)?.id ?? 0) + 1;
      const block = `id: ${id}\nevent: update\ndata: ${JSON.stringify(await json(request))}\n\n`;
      history.push({ id, block });
      if (history.length > 100) history.shift();
      for (const client of clients) client.write(block);
      return response.end();
    }
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no" });
    response.write("retry: 3000\nevent: connected\ndata: {}\n\n");
    const last = Number(request.headers["last-event-id"] ?? Infinity);
    for (const { id, block } of history) if (id > last) response.write(block);
    clients.add(response);
    const heartbeat = setInterval(() => response.write(": heartbeat\n\n"), 15_000);
    response.on("close", () => {
      clearInterval(heartbeat);
      clients.delete(response);
    });
  });
}

export const send = (url, data) => fetch(url, { method: "POST", body: JSON.stringify(data) });

export function follow(url, connected, show) {
  const source = new EventSource(`${url}/events`);
  source.addEventListener("connected", connected);
  source.addEventListener("update", (event) => show(JSON.parse(event.data)));
  return () => source.close();
}
