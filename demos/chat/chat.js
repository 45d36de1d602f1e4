// A chat: a room is a channel, typing is an ephemeral message, a mention is a message to somebody's inbox.

import { $, avatar, el, failed, gapWords, start, submitted, time, toast, users } from "../shared.js";

const MENTION = /@([\p{L}\p{N}_-]+)/gu;
const TYPING = 1000;

const { tidings, name } = await start({ named: true });
const inbox = tidings.channel("@");
const rooms = new Set(["general", "random", "help"]);
const typing = new Map();
let room;
let entered;
let told = 0;

/** Leaves the room, enters another one, and shows the newest of what was said there. */
function enter() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("room")?.replace(/\s/g, "").slice(0, 32) || "general";
  if (wanted === entered) return;
  room?.close();
  entered = wanted;
  for (const list of ["messages", "people"]) $(list).replaceChildren();
  showRooms();
  room = tidings.channel(`demo-chat:${entered}`, { last: 50, presence: true, join: true });
  room.on("message", show);
  room.on("typing", ({ from }) => from?.user && from.user !== name && types(from.user));
  room.on("$presence", showPeople);
  room.on("$gap", (gap) => add(el("li", { className: "gap" }, gapWords(gap))));
  room.on("$closed", ({ error }) => add(el("li", { className: "gap" }, error?.message ?? "This room has ended.")));
}

function show({ data, from, time: at }) {
  const user = from?.user ?? "somebody";
  const words = typeof data?.text === "string" ? data.text : JSON.stringify(data);
  const text = words.split(MENTION).map((part, index) => (index % 2 ? el("mark", {}, `@${part}`) : part));
  stops(user);
  add(el("li", {}, avatar(user), el("span", {}, el("b", {}, user), el("span", { className: "hint" }, time(at))), el("p", {}, ...text)));
}

/** Adds a line, and stays at the end if the reader is there. */
function add(line) {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.append(line);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function types(user) {
  clearTimeout(typing.get(user));
  typing.set(user, setTimeout(stops, TYPING, user));
  showTyping();
}

function stops(user) {
  clearTimeout(typing.get(user));
  typing.delete(user);
  showTyping();
}

function showTyping() {
  const who = [...typing.keys()];
  $("typing").textContent = who.length ? `${who.join(", ")} ${who.length > 1 ? "are" : "is"} typing…` : "";
}

function showPeople(members) {
  const here = users(members);
  $("people-title").textContent = `Here: ${here.length}`;
  $("people").replaceChildren(...here.map((user) => el("li", {}, avatar(user), user)));
}

function showRooms() {
  rooms.add(entered);
  const link = (each) => el("a", { href: `#${new URLSearchParams({ room: each })}`, ariaCurrent: each === entered ? "page" : null }, each);
  $("rooms").replaceChildren(...[...rooms].map((each) => el("li", {}, link(each))));
}

submitted($("say"), async ({ text: input }, form) => {
  const text = input.value.trim();
  form.reset();
  told = 0;
  if (!text) return;
  if (tidings.state !== "open") toast("You are away: the message is sent when the connection is back.");
  try {
    await room.publish({ text });
    const mentioned = new Set([...text.matchAll(MENTION)].map(([, user]) => user).filter((user) => user !== name));
    for (const user of mentioned) await tidings.user(user).send({ room: entered, text }, { event: "mention" });
  } catch (error) {
    input.value ||= text;
    failed(error);
  }
});

$("say").addEventListener("input", () => {
  if (Date.now() - told < TYPING / 2) return;
  told = Date.now();
  room.publish(true, { event: "typing", ephemeral: true, echo: false }).catch(failed);
});

const go = (to) => (location.hash = new URLSearchParams({ room: to }));
submitted($("new-room"), (fields, form) => {
  go(fields.room.value);
  form.reset();
});

inbox.on("mention", ({ data, from }) => {
  const action = ["Go there", () => go(data.room)];
  toast(`${from?.user ?? "Somebody"} in ${data?.room}: ${data?.text}`, { grade: "news", action });
});
inbox.on("$gap", (gap) => toast(`Of your mentions: ${gapWords(gap)}`));

addEventListener("hashchange", enter);
enter();
