// `@` is the inbox of whom the token names. Who was away finds there what came meanwhile.
export async function notify(tidings, userId, message) {
  const { subscribers } = await tidings.user(userId).send(message, { event: "notification" });
  return { sent: subscribers };
}

export const listen = (tidings, _userId, show) => tidings.channel("@", { last: 10 }).on("notification", ({ data }) => show(data));
