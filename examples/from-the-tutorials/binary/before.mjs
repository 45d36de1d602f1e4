// Bytes as binary frames.
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const sockets = new WebSocketServer({ server, maxPayload: 256 * 1024 });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, binary) => {
      for (const each of sockets.clients) if (each.readyState === WebSocket.OPEN) each.send(data, { binary });
    });
  });
}

export function connect(url, take) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => data instanceof ArrayBuffer && take(new Uint8Array(data)));
  return (bytes) => socket.readyState === WebSocket.OPEN && socket.send(bytes);
}
