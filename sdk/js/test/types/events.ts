// What the compiler must say of typed events: each line behind an `@ts-expect-error` is wrong, and everything else right.

import { Tidings, TidingsError, type Gap, type Member, type Message, type Receipt, type StateChange } from "tidings";
import { Tidings as Core, sse, websocket } from "tidings/core";

interface Chat {
  message: { text: string };
  typing: boolean;
  moved: { x: number; y: number };
}

const tidings = new Tidings("https://example.org", { token: async () => "t", transports: ["sse", "poll"], timings: { wait: 5 } });
const chat = tidings.channel<Chat>("room:7");

// Listeners.
const remove: () => void = chat.on("message", ({ data, event, offset }) => {
  const text: string = data.text;
  const place: number | undefined = offset;
  const name: "message" | undefined = event;
  // @ts-expect-error: there is no such field
  data.title;
  return [text, place, name];
});
chat.on("typing", ({ data }) => data satisfies boolean);
chat.on("moved", (message: Message<{ x: number; y: number }, "moved">) => message);
// @ts-expect-error: another payload
chat.on("typing", (message: Message<string>) => message);
// @ts-expect-error: no such event
chat.on("typping", () => {});
// @ts-expect-error: no such event of the channel's own
chat.on("$gone", () => {});
chat.on("$gap", (gap) => gap satisfies Gap);
chat.on("$presence", (members) => members satisfies readonly Member[]);
chat.on("$closed", ({ error }) => error satisfies TidingsError | undefined);
chat.on("$message", (message) => {
  if (message.event === "typing") message.data satisfies boolean;
  // @ts-expect-error: it may be any of them
  message.data.text;
});
tidings.on("$state", (change) => change satisfies StateChange, { signal: AbortSignal.timeout(1) });
tidings.on("$failed", (error) => error.code satisfies string);
// @ts-expect-error: a channel's, not a client's
tidings.on("$gap", () => {});
// @ts-expect-error: what is told is not to be changed
chat.on("$gap", (gap) => (gap.to = 1));

// Publishing.
const receipt: Promise<Receipt> = chat.publish({ text: "hello" });
chat.publish(true, { event: "typing", ephemeral: true, echo: false });
chat.publish({ x: 1, y: 2 }, { event: "moved", key: "k", topic: "t" });
// @ts-expect-error: another payload
chat.publish({ x: 1 }, { event: "moved" });
// @ts-expect-error: another payload
chat.publish("text");
// @ts-expect-error: no such event
chat.publish(true, { event: "typping" });
// @ts-expect-error: no such option
chat.publish({ text: "hello" }, { loud: true });

// Loops.
for await (const message of chat) {
  if (message.event === "moved") message.data.x satisfies number;
}
for await (const { data } of tidings.channel("anything")) {
  // @ts-expect-error: it is not known what it is
  data.text;
}

// Without types anything goes in, and nothing is known of what comes out.
tidings.channel("anything").publish([1, "2", null]);
tidings.channel("anything").on("whatever", ({ data }) => {
  // @ts-expect-error: it is not known what it is
  data.text;
});

// Options.
tidings.channel("room:7", { after: "earliest", presence: true, join: { name: "x" } });
tidings.channel("room:7", { after: "k3f9-42", last: 3 });
// @ts-expect-error: a number of messages
tidings.channel("room:7", { last: "3" });
// @ts-expect-error: no such rung
new Tidings("/", { transports: ["pigeon"] });
// @ts-expect-error: no such option
new Tidings("/", { tokens: "t" });
// @ts-expect-error: transports are values there
new Core("/", { transports: ["sse"] });
new Core("/", { transports: [websocket, sse] });

// Peers.
const sum: number = await tidings.peer("c1").request<number>("sum", [1, 2]);
tidings.user("alice").send({ text: "hello" });
// @ts-expect-error: it is read only
tidings.state = "open";

// Ends.
await using scoped = new Tidings("/");

export { receipt, remove, scoped, sum };
