// The figures of the server's machine: five events of one channel, each drawn as lines over two minutes.

import { $, el, failed, gapWords, start, time, toast } from "../shared.js";

const WINDOW = 120_000;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes in words. */
function bytes(count = 0) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 1024 ** power).toFixed(power ? 1 : 0)} ${UNITS[power]}`;
}
const percent = (value) => `${Math.round(value)} %`;
const rate = (value) => `${bytes(value)}/s`;

/** By event: the lines, what stands in large and in small, and the top of the chart, at least. */
const CHARTS = {
  cpu: {
    title: "Processor", lines: { percent: "busy" }, top: () => 100, unit: percent,
    figure: (data) => percent(data.percent), more: ({ cores }) => `Cores: ${cores.slice(0, 8).map(percent).join(" · ")}${cores.length > 8 ? " …" : ""}`,
  },
  memory: {
    title: "Memory", lines: { used: "used" }, top: ({ total }) => total, unit: bytes,
    figure: ({ used }) => bytes(used), more: ({ total, available }) => `of ${bytes(total)}; ${bytes(available)} are available`,
  },
  network: {
    title: "Network", lines: { received: "received", sent: "sent" }, top: () => 1024, unit: rate,
    figure: ({ received, sent }) => `↓ ${rate(received)}  ↑ ${rate(sent)}`, more: () => "all but the machine itself",
  },
  disk: {
    title: "Disk", lines: { read: "read", written: "written" }, top: () => 1024, unit: rate,
    figure: ({ read, written }) => `↓ ${rate(read)}  ↑ ${rate(written)}`, more: ({ used, total }) => `${bytes(used)} of ${bytes(total)} are used`,
  },
  load: {
    title: "Load", lines: { one: "1 min", five: "5 min", fifteen: "15 min" }, top: () => 1, unit: (value) => value.toFixed(1),
    figure: ({ one }) => one.toFixed(2), more: ({ five, fifteen }) => `${five.toFixed(2)} over 5, ${fifteen.toFixed(2)} over 15 minutes`,
  },
};

class Chart {
  #chart;
  #points = [];
  #node = $("chart").content.cloneNode(true).firstElementChild;

  constructor(chart, event) {
    this.#chart = chart;
    this.#node.dataset.event = event;
    this.#part("h2").textContent = chart.title;
    this.#part(".legend").append(...Object.values(chart.lines).map((label) => el("span", {}, label)));
    $("charts").append(this.#node);
  }

  #part(selector) {
    return this.#node.querySelector(selector);
  }

  add({ data, time: at }) {
    this.#points.push({ at, data });
    while (this.#points[0].at < at - WINDOW) this.#points.shift();
    this.#part(".figure").textContent = this.#chart.figure(data);
    this.#part(".more").textContent = this.#chart.more(data);
    this.#draw(at, data);
  }

  #draw(now, newest) {
    const { lines, unit, top: atLeast } = this.#chart;
    const keys = Object.keys(lines);
    const top = Math.max(atLeast(newest), ...this.#points.flatMap(({ data }) => keys.map((key) => data[key] ?? 0)));
    const polylines = this.#node.querySelectorAll("polyline");
    for (const [index, key] of keys.entries()) {
      const points = this.#points.map(({ at, data }) => `${(120 - (now - at) / 1000).toFixed(2)},${(39 - (37 * (data[key] ?? 0)) / top).toFixed(2)}`);
      polylines[index].setAttribute("points", points.join(" "));
    }
    this.#part(".top").textContent = `top: ${unit(top)}`;
  }
}

const { tidings } = await start({ transports: ["sse", "sse-post", "long-poll", "poll"] });
const server = tidings.channel("demo:server", { last: 600 });

for (const [event, chart] of Object.entries(CHARTS)) {
  const drawn = new Chart(chart, event);
  server.on(event, (message) => {
    drawn.add(message);
    $("told").textContent = `Figures of ${time(message.time)}, and live from then on.`;
  });
}
server.on("$gap", (gap) => toast(gapWords(gap)));
server.on("$closed", ({ error }) => failed(error ?? "the server tells no more"));
