// Notifications: a user's inbox is a channel that all of the user's tabs read. What was read is told there, too.

import { $, avatar, el, failed, gapWords, plural, start, submitted, time, toast } from "../shared.js";

const { tidings, name } = await start({ named: true });
const inbox = tidings.channel("@", { last: 200 });
const items = [];

inbox.on("notification", (message) => arrived(message, String(message.data?.text)));
inbox.on("mention", (message) => arrived(message, `in the chat, ${message.data?.room}: ${message.data?.text}`));
inbox.on("read", ({ data, from }) => from?.user === name && markRead(data));
inbox.on("$gap", (gap) => toast(gapWords(gap)));
inbox.on("$closed", ({ error }) => failed(error ?? "this inbox has ended"));

function arrived({ epoch, offset, from, time: at }, text) {
  const user = from?.user ?? "the server";
  const button = el("button", { type: "button", className: "small", onclick: () => publishRead(epoch, offset, offset) }, "Mark read");
  const words = el("div", {}, el("b", {}, user), el("span", { className: "hint" }, ` ${time(at)}`), el("p", {}, text));
  const item = { epoch, offset, unread: true, button, row: el("li", { dataset: { unread: "true" } }, avatar(user), words, button) };
  items.push(item);
  $("inbox").prepend(item.row);
  $("empty").hidden = true;
  count();
  if (at >= performance.timeOrigin) showOutside(`${user} writes`, text, `${epoch}-${offset}`);
}

/** Tells all tabs, this one too, that these were read. */
function publishRead(epoch, from, to) {
  tidings.user(name).send({ epoch, from, to }, { event: "read" }).catch(failed);
}

function markRead({ epoch, from, to }) {
  for (const item of items) {
    if (!item.unread || item.epoch !== epoch || item.offset < from || item.offset > to) continue;
    item.unread = false;
    item.row.dataset.unread = "false";
    // Who has just used the button stays where the keyboard was.
    if (document.activeElement === item.button) $("inbox-title").focus();
    item.button.replaceWith(el("span", { className: "hint" }, "read"));
  }
  count();
}

function count() {
  const unread = items.filter((item) => item.unread).length;
  const badge = $("badge");
  badge.textContent = badge.dataset.count = unread;
  badge.ariaLabel = `${unread} unread`;
  $("read-all").disabled = unread === 0;
  document.title = `${unread ? `(${unread}) ` : ""}Notifications – Tidings`;
}

$("read-all").addEventListener("click", () => {
  for (const epoch of new Set(items.map((item) => item.epoch))) publishRead(epoch, 1, items.findLast((item) => item.epoch === epoch).offset);
});

submitted($("send"), async ({ to, text }, form) => {
  $("outcome").textContent = tidings.state === "open" ? "Sending…" : "You are away: it is sent when the connection is back.";
  try {
    const { subscribers } = await tidings.user(to.value).send({ text: text.value }, { event: "notification" });
    $("outcome").textContent = subscribers
      ? `Reached ${plural(subscribers, "session")} of ${to.value}; tabs of one browser share one.`
      : `${to.value} is not here now: it waits in the inbox.`;
    form.reset();
  } catch (error) {
    $("outcome").textContent = "Not sent.";
    failed(error);
  }
});

/** One of the browser's own; the tag keeps several tabs from showing it several times. */
function showOutside(title, body, tag) {
  if (globalThis.Notification?.permission !== "granted") return;
  try {
    new Notification(title, { body, tag });
  } catch {
    // Phones show them by service workers only.
    $("permission").textContent = "This browser does not show them from a page.";
  }
}

const SAID = {
  default: "The browser will ask you.",
  granted: "The browser shows them, also while this tab is in the background.",
  denied: "The browser was told not to show them: its settings for this page can change that.",
};

function showPermission() {
  const permission = globalThis.Notification?.permission;
  $("permission").textContent = SAID[permission] ?? "This browser does not show notifications from this page.";
  $("permit").disabled = permission !== "default";
}

$("permit").addEventListener("click", async () => {
  await Notification.requestPermission();
  showPermission();
});

$("send").elements.to.defaultValue = name;
$("inbox-title").tabIndex = -1;
showPermission();
