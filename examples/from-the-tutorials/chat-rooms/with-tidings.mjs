export function join(tidings, room, _username, handlers) {
  const channel = tidings.channel(`room:${room}`, { last: 50, join: true, presence: true });
  channel.on("message", ({ from, data }) => handlers.message(from.user, data));
  channel.on("typing", ({ from }) => handlers.typing(from.user));
  channel.on("$join", ({ user }) => handlers.joined(user));
  channel.on("$leave", ({ user }) => handlers.left(user));
  return {
    say: (text) => channel.publish(text),
    typing: () => channel.publish(true, { event: "typing", ephemeral: true, echo: false }),
    leave: () => channel.close(),
  };
}
