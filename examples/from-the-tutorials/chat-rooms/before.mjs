// Rooms over a WebSocket: join, message, typing, who comes and goes, the newest fifty on entering.
import WebSocket, { WebSocketServer } from "ws";

export function serve(server) {
  const rooms = new Map();
  new WebSocketServer({ server }).on("connection", (socket) => {
    let room, username;
    const tell = (message, self = true) => {
      for (const each of room?.members ?? []) if ((self || each !== socket) && each.readyState === WebSocket.OPEN) each.send(JSON.stringify(message));
    };
    const handlers = {
      join(message) {
        username = message.username;
        if (!rooms.has(message.room)) rooms.set(message.room, { members: new Set(), history: [] });
        room = rooms.get(message.room);
        room.members.add(socket);
        socket.send(JSON.stringify({ type: "history", messages: room.history }));
        tell({ type: "joined", username });
      },
      message({ text }) {
        const message = { type: "message", username, text };
        room.history = [...room.history, message].slice(-50);
        tell(message);
      },
      typing: () => tell({ type: "typing", username }, false),
    };
    socket.on("message", (text) => {
      const message = JSON.parse(text);
      if (message.type === "join" || room) handlers[message.type]?.(message);
    });
    socket.on("close", () => {
      room?.members.delete(socket);
      tell({ type: "left", username });
    });
  });
}

export function join(url, room, username, handlers) {
  const socket = new WebSocket(url);
  const send = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  socket.on("open", () => send({ type: "join", room, username }));
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.type === "message") handlers.message(message.username, message.text);
    else if (message.type === "history") message.messages.forEach(({ username, text }) => handlers.message(username, text));
    else handlers[message.type](message.username);
  });
  return {
    say: (text) => send({ type: "message", text }),
    typing: () => send({ type: "typing" }),
    leave: () => socket.close(),
  };
}
