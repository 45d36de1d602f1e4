// All of it is the client's, and what was sent meanwhile comes, too.
export function follow(tidings, { open, data, failed }) {
  tidings.on("$state", ({ state }) => state === "open" && open());
  tidings.on("$failed", failed); // with `maxAttempts: 10` among the options of the client
  tidings.channel("data").on("message", (message) => data(message.data));
}
