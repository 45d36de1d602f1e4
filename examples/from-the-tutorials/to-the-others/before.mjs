// What one client sends goes to all others.
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.on("message", (data) => {
      for (const other of sockets.clients) {
        if (other !== socket && other.readyState === WebSocket.OPEN) other.send(String(data));
      }
    });
  });
}

export function board(url, draw) {
  const socket = new WebSocket(url);
  socket.on("message", (text) => draw(JSON.parse(text)));
  return (stroke) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(stroke));
}
