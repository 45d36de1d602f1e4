// Three figures, each an event of its own, to everybody who looks.
import { createServer } from "node:http";
import { EventSource } from "eventsource";

const clients = new Set();

export function serve() {
  return createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no" });
    response.write("retry: 5000\n\n");
    clients.add(response);
    const heartbeat = setInterval(() => response.write(": heartbeat\n\n"), 30_000);
    response.on("close", () => {
      clearInterval(heartbeat);
      clients.delete(response);
    });
  });
}

export async function measure(_url, figures) {
  for (const [name, value] of Object.entries(figures)) {
    for (const client of clients) client.write(`event: ${name}\ndata: ${JSON.stringify({ value })}\n\n`);
  }
}

export function watch(url, show) {
  const source = new EventSource(`${url}/metrics`);
  for (const name of ["cpu", "memory", "disk"]) source.addEventListener(name, (event) => show(name, JSON.parse(event.data).value));
  return () => source.close();
}
