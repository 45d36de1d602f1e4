// What all demos share: the name somebody chooses, the bar at the top, words for what happens to the connection, and helpers.
// What comes from others becomes text nodes, never HTML.

import { Tidings } from "../tidings.js";

const SERVER = new URL("..", import.meta.url);
const TRANSPORTS = { websocket: "WebSocket", sse: "SSE", "sse-post": "SSE by POST", "long-poll": "long polling", poll: "polling" };
const REASONS = {
  expired: "the server no longer keeps them",
  forgotten: "nobody had used the channel for a day",
  epoch_changed: "the server was restarted, or the channel emptied",
  unknown_cursor: "the place to read on from is unknown",
  too_slow: "this page was too slow to take them",
  broker_loss: "the server lost them",
};

export const $ = (id) => document.getElementById(id);

/** An element; strings among its children become text. */
export function el(tag, { dataset, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  Object.assign(node.dataset, dataset);
  node.append(...children);
  return node;
}

/** The colour of a name: the same for everybody. */
export function hue(name) {
  let hash = 7;
  for (const letter of String(name)) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  return (hash * 137) % 360;
}

export function avatar(name) {
  const node = el("span", { className: "avatar", ariaHidden: "true" }, [...String(name)][0]?.toUpperCase() ?? "?");
  node.style.setProperty("--hue", hue(name));
  return node;
}

export const time = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** The users among the members of a channel: somebody in three tabs is one. */
export const users = (members) => [...new Set(members.map(({ user }) => user ?? "somebody"))].sort();

/** Calls `act` with the fields of a form that is submitted. */
export function submitted(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(form.elements, form);
  });
}

/** What a gap means. */
export function gapWords({ from, to, reason }) {
  const which = from === null ? "Some messages" : from === to ? `Message ${to}` : `Messages ${from} to ${to}`;
  return `${which} did not reach this page: ${REASONS[reason] ?? "nobody knows why"}.`;
}

/** Says something beside the page's content, with a button if `action` is `[label, what it does]`. */
export function toast(text, { grade = "told", action, seconds = 8 } = {}) {
  const node = el("div", { className: "toast", dataset: { grade } }, el("p", {}, text));
  const close = () => node.remove();
  if (action) node.append(el("button", { type: "button", className: "small", onclick: () => (close(), action[1]()) }, action[0]));
  node.append(el("button", { type: "button", className: "small plain", ariaLabel: "Dismiss", onclick: close }, "×"));
  document.querySelector(".toasts").append(node);
  setTimeout(close, seconds * 1000);
}

export const failed = (error) => toast(`That did not work: ${error?.message ?? error}`, { grade: "bad" });

const words = el("span", { role: "status" }, "Connecting…");
const state = el("p", { className: "state", dataset: { state: "connecting" } }, el("span", { className: "lamp", ariaHidden: "true" }), words);

/** Fills the bar, asks for a name where the page needs one, and gives the client. */
export async function start({ named = false, ...options } = {}) {
  document.querySelector(".bar").append(state, themeButton());
  document.body.append(el("div", { className: "toasts", role: "status" }));
  const name = named ? await chosenName() : undefined;
  if (name) state.before(el("button", { className: "me small", type: "button", title: "Be somebody else", onclick: rename }, avatar(name), name));
  return { tidings: connect({ ...(name && { user: name }), ...options }), name };
}

/** A client of this page's server, whose connection the bar shows. */
export function connect(options) {
  const tidings = new Tidings(SERVER, options);
  const show = (change) => {
    state.dataset.state = change.state;
    state.dataset.transport = change.transport ?? "";
    state.title = words.textContent = said(change);
  };
  tidings.on("$state", show);
  // A page that reads nothing yet has no connection.
  setTimeout(() => tidings.state === "idle" && show({ state: "idle" }));
  tidings.on("$move", ({ from, to, reason }) => toast(`Moved from ${TRANSPORTS[from]} to ${TRANSPORTS[to]}: ${reason}.`));
  const again = ["Try again", () => tidings.connect()];
  tidings.on("$failed", (error) => toast(`The server refuses: ${error.message}`, { grade: "bad", action: again, seconds: 60 }));
  return tidings;
}

function said({ state, transport, reason, retryIn }) {
  if (state === "open") return `Live over ${TRANSPORTS[transport]}`;
  if (state === "connecting") return "Connecting…";
  if (state === "waiting") return `Away${retryIn ? `, next attempt in ${Math.ceil(retryIn / 1000)} s` : ""}: ${reason}`;
  return state === "closed" ? `Disconnected${reason ? `: ${reason}` : ""}` : "Not connected";
}

function themeButton() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = el("button", { type: "button", className: "small theme", ariaLabel: "Light or dark", title: "Light or dark" }, "◐");
  const stored = localStorage.getItem("demos.theme");
  if (stored) root.dataset.theme = stored;
  button.addEventListener("click", () => localStorage.setItem("demos.theme", (root.dataset.theme = dark() ? "light" : "dark")));
  return button;
}

/** The name of this tab: as before, or asked for. Another tab may be somebody else. */
async function chosenName() {
  const before = sessionStorage.getItem("demos.name");
  if (before) return before;
  const input = el("input", { name: "name", required: true, maxLength: 24, pattern: "[\\p{L}\\p{N}_\\-]+", autocomplete: "off", autocapitalize: "none" });
  Object.assign(input, { title: "Letters, digits, - and _", spellcheck: false, value: localStorage.getItem("demos.name") ?? "" });
  const form = el("form", {}, el("label", { className: "field" }, "Your name", input), el("button", { className: "primary" }, "Enter"));
  const hint = el("p", { className: "hint" }, "Only this server sees it. Another tab may have another name.");
  const dialog = el("dialog", { className: "card", ariaLabel: "Who are you?" }, el("h2", {}, "Who are you?"), form, hint);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.showModal());
  dialog.showModal();
  await new Promise((entered) => form.addEventListener("submit", (event) => (event.preventDefault(), entered())));
  dialog.remove();
  sessionStorage.setItem("demos.name", input.value);
  localStorage.setItem("demos.name", input.value);
  return input.value;
}

function rename() {
  sessionStorage.removeItem("demos.name");
  location.reload();
}
