// An exchange: each price is about its symbol, so a reader that comes late gets the newest of each and a `$skip` for the others.

import { $, connect, failed, gapWords, plural, start, toast } from "../shared.js";

const POINTS = 60;
const ROWS = 20;
const PAUSE = 3_000;
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches;

let { tidings } = await start();
const rows = new Map();
let received = 0;
let skipped = 0;
let since = Infinity;
let recent = [];

function read() {
  const ticker = tidings.channel("demo-ticker:all", { last: 400 });
  received = skipped = 0;
  recent = [];
  since = Infinity;
  ticker.on("price", take);
  ticker.on("$skip", ({ from, to, reason }) => {
    // What came before this page was open is no loss of its.
    if (reason === "conflated" && performance.now() > since) skipped += to - from + 1;
  });
  ticker.on("$gap", (gap) => toast(gapWords(gap)));
  ticker.on("$closed", ({ error }) => failed(error ?? "the exchange has closed"));
}

function take({ data }) {
  since = Math.min(since, performance.now() + 1000);
  received += 1;
  recent.push(performance.now());
  const row = rows.get(data.symbol) ?? open(data.symbol);
  const before = row.points.at(-1);
  row.points.push(data.price);
  if (row.points.length > POINTS) row.points.shift();
  row.price.textContent = data.price.toFixed(2);
  row.change.textContent = `${data.change < 0 ? "−" : "+"}${Math.abs(data.change).toFixed(2)} %`;
  row.node.dataset.way = data.change < 0 ? "down" : "up";
  if (before !== undefined && before !== data.price) flash(row.price, data.price > before ? "--good" : "--bad");
  drawn.add(row);
}

/** A row for a symbol that is new, in the order of the alphabet. */
function open(symbol) {
  const node = $("row").content.cloneNode(true).firstElementChild;
  const [price, change, line] = [".price", ".change", "polyline"].map((part) => node.querySelector(part));
  node.querySelector("th").textContent = symbol;
  rows.set(symbol, { node, price, change, line, points: [] });
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row.node);
  const tables = $("tables").getElementsByTagName("tbody");
  for (let at = 0; at * ROWS < sorted.length; at += 1) {
    if (!tables[at]) $("tables").append($("table").content.cloneNode(true));
    tables[at].replaceChildren(...sorted.slice(at * ROWS, (at + 1) * ROWS));
  }
  return rows.get(symbol);
}

function flash(cell, colour) {
  if (STILL) return;
  const strong = `color-mix(in srgb, ${getComputedStyle(cell).getPropertyValue(colour)} 30%, transparent)`;
  cell.animate([{ backgroundColor: strong }, { backgroundColor: "transparent" }], 700);
}

// Lines and figures are drawn when the browser draws, however many prices came between.
const drawn = new Set();
function draw() {
  for (const { points, line } of drawn) {
    const [low, high] = [Math.min(...points), Math.max(...points)];
    const y = (price) => (high === low ? 10 : 18 - (16 * (price - low)) / (high - low)).toFixed(1);
    line.setAttribute("points", points.map((price, index) => `${60 - points.length + 1 + index},${y(price)}`).join(" "));
  }
  drawn.clear();
  const now = performance.now();
  while (recent[0] < now - 5_000) recent.shift();
  $("rate").textContent = (recent.length / 5).toFixed(0);
  $("received").textContent = received.toLocaleString();
  $("skipped").textContent = skipped.toLocaleString();
  requestAnimationFrame(draw);
}

$("slow").addEventListener("click", ({ target }) => {
  const slow = target.ariaPressed !== "true";
  target.ariaPressed = slow;
  tidings.close();
  tidings = connect(slow ? { transports: ["poll"], timings: { pollPause: PAUSE } } : {});
  $("how").textContent = slow ? `You ask once in ${plural(PAUSE / 1000, "second")}, and get the newest price of each symbol.` : "You get prices as they come.";
  read();
});

read();
draw();
