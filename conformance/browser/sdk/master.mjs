// The master property in a browser: whatever happens to the network, the server, the tabs and the tokens, each tab has each message once, in
// order, or was told of the loss; and every loss that is told is true.
//
//   node sdk/master.mjs --minutes 20 [--seed 1] [--rate 200]

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { launch } from '../browser.mjs';
import { FaultProxy } from '../fault-proxy.mjs';
import { Keyed } from '../keyed.mjs';
import { TIMINGS } from './matrix.mjs';

const SCRIPT = new URL('../../../sdk/js/dist/tidings.global.js', import.meta.url);
const CHANNEL = 'master';
const TABS = 4;
/** Seconds: with the long ones a newer one is shown in time, with the short ones they end. */
const TOKEN_LIFE = [12, 40];
const KINDS = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll', 'publish'];
const FAULTS = [
  { status: 403 }, { status: 502 }, { refuse: true }, { stall: true }, { buffer: true }, { buffer_bytes: 16_384 }, { cut_bytes: 700 }, { cut_ms: 300 },
  { cut_ms: 1_500 }, { stall_ms: 400 }, { throttle: 30_000 }, { jitter_ms: 400 }, { drop_response: true },
];

/** Numbers that a seed decides (xorshift32). */
function chance(seed) {
  let state = seed * 2_654_435_761 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), of: (list) => list[Math.floor(next() * list.length)] };
}

/** What was published, in the order of the log. */
class Ledger {
  entries = [];
  #at = new Map();

  add({ epoch, offset }) {
    this.#at.set(`${epoch}-${offset}`, this.entries.length);
    this.entries.push({ epoch, offset });
  }

  /** The place of an entry among all. */
  at({ epoch, offset }) {
    return this.#at.get(`${epoch}-${offset}`);
  }
}

/** Fails unless what a tab was told is the ledger from its first message on, with gaps exactly where something is missing. */
export function judge(told, ledger, name) {
  let next;
  let gap;
  let received = 0;
  for (const each of told) {
    if (each.reason) {
      assert.equal(gap, undefined, `${name}: two gaps in a row: ${JSON.stringify([gap, each])}`);
      gap = each;
      continue;
    }
    const at = ledger.at(each);
    assert.notEqual(at, undefined, `${name}: ${JSON.stringify(each)} was never published`);
    received++;
    if (next !== undefined) {
      assert.ok(at >= next, `${name}: ${JSON.stringify(each)} comes again, or too late`);
      const missing = ledger.entries.slice(next, at);
      if (gap) {
        // Only a restart loses anything here, and it loses only what is of before.
        assert.equal(gap.reason, 'epoch_changed', `${name}: ${JSON.stringify(gap)}`);
        assert.equal(gap.epoch, each.epoch, `${name}: the gap names the epoch of what follows`);
        assert.notEqual(ledger.entries[next - 1].epoch, gap.epoch, `${name}: a restart that was none`);
        assert.ok(missing.every(({ epoch }) => epoch !== each.epoch), `${name}: lost of the new epoch: ${JSON.stringify({ missing, gap, each, before: ledger.entries[next - 1] })}`);
      } else assert.deepEqual(missing, [], `${name}: missing before ${JSON.stringify(each)}, and nothing was told`);
    }
    next = at + 1;
    gap = undefined;
  }
  return { received, next };
}

/** In the page: a client that writes down what it is told. */
function begin({ channel, timings, tabs }) {
  const told = [];
  const moves = [];
  const failed = [];
  const client = new window.Tidings('/', { token: () => window.mint(), timings, tabs });
  client.on('$move', ({ from, to, reason }) => moves.push(`${from} > ${to}: ${reason}`));
  client.on('$failed', (error) => failed.push(String(error)));
  const room = client.channel(channel);
  room.on('$message', ({ epoch, offset }) => told.push({ epoch, offset }));
  room.on('$gap', ({ epoch, from, to, reason }) => told.push({ epoch, from, to, reason }));
  const states = [];
  client.on('$state', (change) => states.push({ at: Date.now() % 100_000, ...change }) > 100 && states.shift());
  window.run = { client, told, moves, failed, states };
  return room.ready();
}

export async function master({ minutes, seed, rate = 200, log = console.log }) {
  const random = chance(seed);
  const keyed = await Keyed.start({ more: '[limits]\nheartbeat = "1s"\n[history]\ncount = 1000000\nbytes = "200MiB"\n[demo]\non = true\n' });
  const { server } = keyed;
  const proxy = await FaultProxy.start({ port: server.port, seed });
  const browser = await launch();
  const ledger = new Ledger();
  const counts = { published: 0, received: 0, gaps: 0, tabs: 0, restarts: 0, faults: 0, frozen: 0, cuts: 0, moves: 0, tokens: 0 };
  const until = Date.now() + minutes * 60_000;

  const context = await browser.newContext();
  const mint = () => {
    counts.tokens++;
    return keyed.token('alice', { expires: `${random.of(TOKEN_LIFE)}s` });
  };
  await context.exposeFunction('mint', mint);
  const script = await readFile(SCRIPT, 'utf8');
  const tabs = new Set();
  const openTab = async () => {
    const page = await context.newPage();
    // The page is not what is tested: it comes without the proxy's faults, and with its origin.
    await page.route('**/blank', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto(`${proxy.origin}/blank`);
    await page.evaluate(script);
    // What is said by pages that fail is worth more than the failure.
    const stuck = setTimeout(async () => {
      for (const each of [...tabs, page]) log(`stuck: ${await Promise.race([each.evaluate(() => JSON.stringify({ state: window.run?.client.state, transport: window.run?.client.transport, told: window.run?.told.length, failed: window.run?.failed, moves: window.run?.moves.slice(-3), states: window.run?.states?.slice(-6), id: window.run?.client.client })).catch(String), new Promise((resolve) => setTimeout(resolve, 1_000, 'no answer'))])}`);
    }, 30_000);
    // Some share a connection, some go down the ladder and up on their own.
    await page.evaluate(begin, { channel: CHANNEL, tabs: random.next() < 0.5, timings: { ...TIMINGS, climbFirst: 1_000, climbMax: 4_000, tabAnswer: 500 } });
    clearTimeout(stuck);
    tabs.add(page);
    counts.tabs++;
  };
  const closeTab = async (page) => {
    const told = await page.evaluate(() => window.run);
    tabs.delete(page);
    await page.close();
    return record(told);
  };
  const record = ({ told, moves, failed }) => {
    assert.deepEqual(failed, []);
    const { received, next } = judge(told, ledger, `tab, seed ${seed}`);
    counts.received += received;
    counts.moves += moves.length;
    counts.gaps += told.filter(({ reason }) => reason).length;
    return next;
  };

  // Messages, one after another, at the rate; it stops while the server restarts.
  let paused = false;
  let publishing = true;
  let resting = () => {};
  const publisher = (async () => {
    let due = Date.now();
    while (publishing) {
      if (paused) {
        resting();
        await new Promise((resolve) => setTimeout(resolve, 5));
        due = Date.now();
        continue;
      }
      ledger.add(await server.publish(CHANNEL, { n: ++counts.published }));
      due += 1_000 / rate;
      const wait = due - Date.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    }
  })();
  publisher.catch(() => {});
  const pause = () => {
    const rested = new Promise((resolve) => (resting = resolve));
    paused = true;
    return rested;
  };

  const events = {
    async faults() {
      counts.faults++;
      const faults = Array.from({ length: random.below(4) }, () => {
        const kinds = KINDS.filter(() => random.next() < 0.4);
        return { on: kinds.length ? kinds : ['websocket'], fault: random.of(FAULTS), probability: random.of([0.3, 0.7, 1]) };
      });
      // Short polls get through, or there would be nothing to see.
      await proxy.set(faults.map((fault) => ({ ...fault, on: fault.on.filter((kind) => kind !== 'poll' || !('stall' in fault.fault)) })).filter(({ on }) => on.length));
    },
    async calm() {
      await proxy.clear();
    },
    async cut() {
      counts.cuts += await proxy.cut();
    },
    async silence() {
      await proxy.stall(random.of([['websocket'], ['sse'], undefined]));
    },
    async away() {
      await proxy.down();
      await new Promise((resolve) => setTimeout(resolve, 500 + random.below(1_500)));
      await proxy.up();
    },
    async restart() {
      counts.restarts++;
      await pause();
      await server.kill();
      await server.startAgain();
      paused = false;
    },
    async change() {
      await closeTab(random.of([...tabs]));
      // Opening waits for the server: the network has to let it through.
      await proxy.clear();
      await openTab();
    },
    async freeze() {
      const page = random.of([...tabs]);
      counts.frozen++;
      const session = await context.newCDPSession(page);
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      await new Promise((resolve) => setTimeout(resolve, 1_000 + random.below(4_000)));
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      await session.detach();
    },
  };
  const names = ['faults', 'faults', 'faults', 'calm', 'cut', 'cut', 'silence', 'away', 'restart', 'change', 'change', 'freeze'];

  try {
    for (let at = 0; at < TABS; at++) await openTab();
    let shown = Date.now();
    while (Date.now() < until) {
      await events[random.of(names)]();
      await new Promise((resolve) => setTimeout(resolve, 200 + random.below(1_500)));
      if (Date.now() - shown > 30_000) {
        shown = Date.now();
        log(`${Math.round((until - shown) / 1_000)} s left: ${JSON.stringify(counts)}`);
      }
    }
    await proxy.clear();
    publishing = false;
    await publisher;
    const { length } = ledger.entries;
    const last = ledger.entries[length - 1];
    for (const page of [...tabs]) {
      await page
        .waitForFunction((last) => window.run.told.some(({ epoch, offset }) => epoch === last.epoch && offset === last.offset), last, { timeout: 60_000 })
        .catch(async (error) => {
          throw new Error(`a tab has not all: ${error.message} ${await page.evaluate(() => JSON.stringify({ state: window.run.client.state, transport: window.run.client.transport, last: window.run.told.slice(-3), failed: window.run.failed, moves: window.run.moves.slice(-5) }))}, the last is ${JSON.stringify(last)}`);
        });
      assert.equal(await closeTab(page), length, 'the last of all is the last of each');
    }
    return counts;
  } finally {
    publishing = false;
    // Its failure is told where it is waited for.
    await publisher.catch(() => {});
    await browser.close();
    await proxy.stop();
    await keyed.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' }, rate: { type: 'string', default: '200' } } });
  const counts = await master({ minutes: Number(values.minutes), seed: Number(values.seed), rate: Number(values.rate) });
  console.log(`PASSED: ${JSON.stringify(counts)}`);
}
