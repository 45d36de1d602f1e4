// The sockets of each user, in a map; the answer says how many a notification has reached.
import { json } from "node:stream/consumers";
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const users = new Map();
  new WebSocketServer({ server }).on("connection", (socket, request) => {
    const userId = new URL(request.url, "http://host").searchParams.get("userId");
    if (!userId) return socket.close(1008, "userId is needed");
    if (!users.has(userId)) users.set(userId, new Set());
    users.get(userId).add(socket);
    socket.on("close", () => {
      users.get(userId)?.delete(socket);
      if (!users.get(userId)?.size) users.delete(userId);
    });
  });
  server.on("request", async (request, response) => {
    const { userId, message } = await json(request);
    const open = [...(users.get(userId) ?? [])].filter(({ readyState }) => readyState === WebSocket.OPEN);
    for (const socket of open) socket.send(JSON.stringify({ type: "notification", message }));
    response.end(JSON.stringify({ sent: open.length }));
  });
}

export async function notify(url, userId, message) {
  const answer = await fetch(`${url}/notifications/send`, { method: "POST", body: JSON.stringify({ userId, message }) });
  return answer.json();
}

export function listen(url, userId, show) {
  const socket = new WebSocket(`${url}?userId=${userId}`);
  socket.on("message", (text) => show(JSON.parse(text).message));
}
