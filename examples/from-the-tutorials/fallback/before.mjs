// WebSocket, else Server-Sent Events, else long polling; what is sent goes by POST where there is no WebSocket.
import { EventEmitter } from "node:events";
import { json } from "node:stream/consumers";
import { EventSource } from "eventsource";
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const messages = [];
  const bus = new EventEmitter().setMaxListeners(0);
  const publish = (data) => {
    const message = { id: messages.length + 1, data };
    messages.push(message);
    bus.emit("message", message);
  };
  const hear = (response, listener) => {
    bus.on("message", listener);
    response.on("close", () => bus.off("message", listener));
  };
  const routes = {
    "/send": async (request, response) => {
      publish(await json(request));
      response.end();
    },
    "/events": (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" }).write(": connected\n\n");
      hear(response, ({ data }) => response.write(`data: ${JSON.stringify(data)}\n\n`));
    },
    "/poll": (_request, response, { searchParams }) => {
      const lastId = Number(searchParams.get("lastId") ?? messages.length);
      const answer = () => response.writableEnded || response.end(JSON.stringify({ messages: messages.slice(lastId), lastId: messages.length }));
      if (messages.length > lastId || !searchParams.has("lastId")) return answer();
      hear(response, answer);
      const timer = setTimeout(answer, 30_000);
      response.on("close", () => clearTimeout(timer));
    },
  };
  server.on("request", (request, response) => {
    const url = new URL(request.url, "http://host");
    routes[url.pathname](request, response, url);
  });
  new WebSocketServer({ server }).on("connection", (socket) => {
    socket.on("message", (text) => publish(JSON.parse(text)));
    hear(socket, ({ data }) => socket.send(JSON.stringify(data)));
  });
}

export class Realtime extends EventEmitter {
  #names;
  #failures = 0;
  #stop = () => {};

  constructor(url, transports = ["websocket", "sse", "long-poll"]) {
    super();
    this.url = url;
    this.#names = [...transports];
    this.#try();
  }

  async #try() {
    const open = { websocket: () => this.#websocket(), sse: () => this.#sse(), "long-poll": () => this.#poll() };
    const name = this.#names[0];
    if (!name) return this.emit("failed");
    try {
      await open[name]();
      this.transport = name;
      this.emit("open", name);
    } catch {
      this.#stop();
      if (++this.#failures % 2 === 0) this.#names.shift();
      setTimeout(() => this.#try(), 200 * this.#failures);
    }
  }

  #websocket() {
    const socket = new WebSocket(this.url.replace("http", "ws"));
    this.#stop = () => socket.terminate();
    this.socket = socket;
    socket.on("message", (text) => this.emit("data", JSON.parse(text)));
    return new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  }

  #sse() {
    const source = new EventSource(`${this.url}/events`);
    this.#stop = () => source.close();
    source.onmessage = ({ data }) => this.emit("data", JSON.parse(data));
    return new Promise((resolve, reject) => Object.assign(source, { onopen: resolve, onerror: reject }));
  }

  async #poll() {
    const ask = async (query) => (await fetch(`${this.url}/poll${query}`)).json();
    let { lastId } = await ask("");
    let stopped = false;
    this.#stop = () => (stopped = true);
    (async () => {
      while (!stopped) {
        const answer = await ask(`?lastId=${lastId}`);
        if (stopped) return;
        lastId = answer.lastId;
        for (const { data } of answer.messages) this.emit("data", data);
      }
    })().catch(() => stopped || this.#try());
  }

  send(data) {
    const text = JSON.stringify(data);
    if (this.transport === "websocket") return this.socket.send(text);
    return fetch(`${this.url}/send`, { method: "POST", body: text });
  }

  close() {
    this.#stop();
  }
}
