// Offer, answer and candidates of WebRTC, from one client to the one that `targetId` names.
import { randomUUID } from "node:crypto";
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const peers = new Map();
  new WebSocketServer({ server }).on("connection", (socket) => {
    const id = randomUUID();
    peers.set(id, socket);
    socket.send(JSON.stringify({ type: "id", id }));
    socket.on("message", (text) => {
      const { type, targetId, payload } = JSON.parse(text);
      const target = peers.get(targetId);
      if (!["offer", "answer", "ice-candidate"].includes(type)) return;
      if (target?.readyState === WebSocket.OPEN) target.send(JSON.stringify({ type, from: id, payload }));
    });
    socket.on("close", () => peers.delete(id));
  });
}

export function peer(url, handlers) {
  const socket = new WebSocket(url);
  let ready;
  const id = new Promise((resolve) => (ready = resolve));
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.type === "id") ready(message.id);
    else handlers[message.type]?.(message.from, message.payload);
  });
  return { id, send: (type, targetId, payload) => socket.send(JSON.stringify({ type, targetId, payload })) };
}
