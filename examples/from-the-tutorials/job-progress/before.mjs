// A job tells its progress and its log by an event stream. Who comes late or is cut gets what follows only.
import { EventEmitter } from "node:events";
import { createServer } from "node:http";
import { EventSource } from "eventsource";

export const jobs = new EventEmitter();

export function serve() {
  return createServer((request, response) => {
    const id = request.url.split("/").at(-1);
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no" });
    response.write(": connected\n\n");
    const tell = (event, data) => {
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      if (event === "done") response.end();
    };
    jobs.on(id, tell);
    const heartbeat = setInterval(() => response.write(": heartbeat\n\n"), 15_000);
    response.on("close", () => {
      clearInterval(heartbeat);
      jobs.off(id, tell);
    });
  });
}

export async function work(_url, id) {
  for (const percent of [25, 50, 75, 100]) {
    jobs.emit(id, "log", `step at ${percent}`);
    jobs.emit(id, "progress", { percent });
  }
  jobs.emit(id, "done", {});
}

export function watch(url, id, { progress, log, done }) {
  const source = new EventSource(`${url}/jobs/${id}`);
  source.addEventListener("progress", (event) => progress(JSON.parse(event.data).percent));
  source.addEventListener("log", (event) => log(JSON.parse(event.data)));
  source.addEventListener("done", () => {
    source.close();
    done();
  });
  return new Promise((resolve) => (source.onopen = resolve));
}
