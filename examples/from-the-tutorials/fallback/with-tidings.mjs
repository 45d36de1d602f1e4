// `transports: ["websocket", "sse", "long-poll"]` and `maxAttempts: 5` among the options of the client leave some out, and give up.
export function realtime(tidings, { data, open, failed }) {
  const room = tidings.channel("room");
  room.on("message", (message) => data(message.data));
  tidings.on("$state", ({ state, transport }) => state === "open" && open(transport));
  tidings.on("$failed", failed);
  return room;
}
