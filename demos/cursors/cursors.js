// Everybody's pointers, and a game of which the channel's order is the referee: what it says first counts, for all the same.

import { $, avatar, el, failed, gapWords, hue, start, toast } from "../shared.js";

const MATCH = 10;
const REACH = 26;
const SAMPLES = 300;

const { tidings, name } = await start({ named: true, tabs: false });
const pointers = tidings.channel("demo-cursors:field", { last: 100, presence: true, join: true });
const game = tidings.channel("demo-cursors:game", { last: 50 });
const field = $("field");
const places = new Map();
const marks = new Map();
const trips = [];
let members = new Map();
let mine = { x: 0.5, y: 0.5 };
let sent = mine;
let sending = false;

function move(x, y) {
  mine = { x: Math.min(1, Math.max(0, x)), y: Math.min(1, Math.max(0, y)) };
  send();
  touch();
}

/** One move at a time is under way: a slow network gets fewer of them, not a queue. Each is about its client, so who is slow gets the newest of each. */
async function send() {
  const { client } = tidings;
  if (sending || mine === sent || !client) return;
  sending = true;
  sent = mine;
  await pointers.publish({ id: client, ...mine, at: performance.now() }, { event: "move", topic: client }).catch(failed);
  requestAnimationFrame(() => {
    sending = false;
    send();
  });
}

pointers.on("move", ({ data, from }) => {
  if (!from?.client) return;
  places.set(from.client, data);
  if (from.client === tidings.client) measured(performance.now() - data.at);
  draw(from.client);
});
pointers.on("$presence", (all) => {
  members = new Map(all.map(({ client, user }) => [client, user ?? "somebody"]));
  for (const client of [...marks.keys(), ...members.keys()]) draw(client);
});

/** Shows where a member is; who has left, no longer. */
function draw(client) {
  const [place, user, own] = [places.get(client), members.get(client), client === tidings.client];
  if (!place || !user) {
    marks.get(client)?.remove();
    return void marks.delete(client);
  }
  const mark = marks.get(client) ?? field.appendChild(el("div", { className: own ? "ring" : "pointer", ariaHidden: "true" }, el("span", {}, own ? "" : user)));
  marks.set(client, mark);
  for (const [key, value] of [["--x", place.x], ["--y", place.y], ["--hue", hue(user)]]) mark.style.setProperty(key, Number(value));
}

function measured(trip) {
  if (trips.push(trip) > SAMPLES) trips.shift();
  const sorted = trips.toSorted((a, b) => a - b);
  for (const share of [50, 99]) $(`p${share}`).textContent = `${sorted[Math.floor(((sorted.length - 1) * share) / 100)].toFixed(1)} ms`;
}

field.addEventListener("pointermove", ({ clientX, clientY }) => {
  const { left, top, width, height } = field.getBoundingClientRect();
  move((clientX - left) / width, (clientY - top) / height);
});
field.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  move(mine.x + step[0] * 0.02, mine.y + step[1] * 0.03);
});

// The game. Who catches a dot publishes the state that follows; the first one of a round in the channel's order counts, and all take it.
let round = 0;
let scores = {};
let claimed = -1;

game.on("catch", ({ data, from }) => {
  if (!(data?.round >= round && data.scores)) return;
  round = data.round + 1;
  scores = data.scores;
  const [best, most] = ranking()[0] ?? [];
  $("news").textContent = round % MATCH ? `${from?.user} caught dot ${round}.` : `${best} wins with ${most} of ${MATCH}.`;
  show();
});
game.on("$gap", (gap) => toast(gapWords(gap)));

const ranking = () => Object.entries(scores).sort((a, b) => b[1] - a[1]);
const spot = (factor) => 0.08 + 0.84 * ((((round + 3) * factor) % 97) / 97);

/** Claims the dot if the pointer is on it; whose it is, the channel says. */
function touch() {
  const { width, height } = field.getBoundingClientRect();
  const away = Math.hypot((mine.x - spot(61)) * width, (mine.y - spot(37)) * height);
  if (away > REACH || claimed === round) return;
  claimed = round;
  const before = round % MATCH ? scores : {};
  game.publish({ round, scores: { ...before, [name]: (before[name] ?? 0) + 1 } }, { event: "catch" }).catch(failed);
}

function show() {
  $("dot").style.setProperty("--x", spot(61));
  $("dot").style.setProperty("--y", spot(37));
  $("score-title").textContent = `Match ${Math.ceil(round / MATCH) || 1}`;
  $("scores").replaceChildren(...ranking().map(([user, count]) => el("li", {}, avatar(user), el("span", {}, user), el("b", {}, count))));
}

show();
