export function board(tidings, draw) {
  const channel = tidings.channel("board");
  channel.on("message", ({ data }) => draw(data));
  return (stroke) => channel.publish(stroke, { echo: false });
}
