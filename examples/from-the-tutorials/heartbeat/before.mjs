// Ping and pong both ways, dead sockets ended, reconnects after 1 s, 2 s, 4 s … 30 s, and an end after ten.
import { EventEmitter } from "node:events";
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.alive = true;
    socket.on("pong", () => (socket.alive = true));
    socket.on("message", (text) => JSON.parse(text).type === "ping" && socket.send(JSON.stringify({ type: "pong" })));
  });
  const timer = setInterval(() => {
    for (const socket of sockets.clients) {
      if (!socket.alive) socket.terminate();
      socket.alive = false;
      socket.ping();
    }
  }, 30_000);
  server.on("close", () => clearInterval(timer));
  return (data) => sockets.clients.forEach((socket) => socket.send(JSON.stringify({ type: "data", data })));
}

export class Reconnecting extends EventEmitter {
  #attempts = 0;
  #closed = false;

  constructor(url) {
    super();
    this.url = url;
    this.#connect();
  }

  #connect() {
    this.socket = new WebSocket(this.url);
    this.socket.on("open", () => {
      this.#attempts = 0;
      this.heartbeat = setInterval(() => this.socket.send(JSON.stringify({ type: "ping" })), 25_000);
      this.emit("open");
    });
    this.socket.on("message", (text) => {
      const { type, data } = JSON.parse(text);
      if (type === "data") this.emit("data", data);
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      clearInterval(this.heartbeat);
      if (this.#closed) return;
      if (++this.#attempts > 10) return this.emit("failed");
      const delay = Math.min(1_000 * 2 ** (this.#attempts - 1), 30_000);
      this.timer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));
    });
  }

  close() {
    this.#closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
