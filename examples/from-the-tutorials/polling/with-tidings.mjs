export const send = (tidings, data) => tidings.publish("news", data);

export const follow = (tidings, show) => tidings.channel("news", { after: "earliest" }).on("message", ({ data }) => show(data));
