// Every transport through every proxy, whom the server takes clients for behind it, and its end seen through it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { followEvents, followPolls, followSocket } from '../clients/node/readers.js';
import { PAYLOADS, publish, upTo } from '../clients/node/support.js';
import { isThere, startProxy, startServer } from './front.js';

const PATIENCE = 20_000;
/** Wrong keys that an address may show in a minute. */
const FAILURES = 10;
const WAYS = {
  nginx: { '': { tls: false, trusted: true }, 'to-tls': { tls: true, trusted: true }, passed: { tls: true, trusted: false } },
  haproxy: { '': { tls: false, trusted: true }, 'to-tls': { tls: true, trusted: true }, passed: { tls: true, trusted: true, protocol: true } },
  caddy: { '': { tls: false, trusted: true }, 'to-tls': { tls: true, trusted: true } },
};

let passed = 0;
let failed = 0;

async function check(what, holds) {
  try {
    const told = await Promise.race([
      holds(),
      new Promise((_, reject) => setTimeout(() => reject(new Error('took too long')), PATIENCE).unref()),
    ]);
    passed += 1;
    console.log(`ok   ${what}${told ? `: ${told}` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${what}: ${error.stack}`);
  }
}

/** The status for somebody who comes to the proxy from this address of loopback. */
function statusFrom(port, localAddress, headers) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, servername: 'localhost', path: '/channels/who', localAddress, agent: false, headers: { Host: `localhost:${port}`, ...headers } };
    https.get(options, (answer) => (answer.resume(), resolve(answer.statusCode))).on('error', reject);
  });
}

async function followAll({ url }, channel) {
  const first = (await (await fetch(`${url}/channels/${channel}`)).json()).cursor;
  const polls = followPolls(url, channel, first);
  const events = followEvents(`${url}/channels/${channel}`);
  const socket = followSocket(url, channel);
  const hello = (journal) => journal.of('hello').length > 0;
  await Promise.all([events, socket].map(({ journal }) => journal.until(hello, 'hello')));
  return [polls, events, socket];
}

async function delivers(proxy, readers) {
  let slowest = 0;
  for (const [index, [type, body]] of PAYLOADS.entries()) {
    const began = performance.now();
    await publish(proxy.url, 'front', body, type);
    // None waits for the next one to fill a buffer.
    await Promise.all(readers.map(({ journal }) => journal.untilMessages(index + 1)));
    slowest = Math.max(slowest, performance.now() - began);
  }
  for (const { journal } of readers) {
    assert.deepEqual(journal.offsets, upTo(PAYLOADS.length));
    assert.deepEqual(journal.messages.slice(1, 5).map(({ data }) => data), PAYLOADS.slice(1, 5).map(([, , data]) => data));
  }
  const poll = await (await fetch(`${proxy.url}/channels/front?after=earliest`)).json();
  assert.deepEqual(poll.messages.map(({ offset }) => offset), upTo(PAYLOADS.length));
  assert.ok(slowest < 5000, `${slowest} ms`);
  return `slowest in ${Math.round(slowest)} ms`;
}

/** Wrong keys from one address are slowed down, whatever it says whose it is. */
async function addresses({ port }, knowsClients) {
  const guess = (from, number) =>
    statusFrom(port, from, { Authorization: 'Bearer wrong', 'X-Forwarded-For': `203.0.113.${number}`, Forwarded: `for=203.0.113.${number}` });
  const statuses = [];
  for (const number of upTo(FAILURES + 1)) statuses.push(await guess('127.0.7.1', number));
  assert.deepEqual(statuses, [...Array(FAILURES).fill(401), 429]);
  assert.equal(await guess('127.0.7.2', 1), knowsClients ? 401 : 429);
  assert.equal(await statusFrom(port, '127.0.7.1', {}), 200, 'who shows nothing is not slowed down');
}

async function ends(server, [polls, events, socket]) {
  const { answers } = polls;
  const closed = once(socket.socket, 'close');
  await server.stop();
  assert.equal((await closed)[0], 1001);
  await events.journal.until((journal) => journal.of('reconnect').length > 0, '$reconnect');
  await socket.journal.until((journal) => journal.of('reconnect').length > 0, 'reconnect');
  // The poll that waited is answered, not cut: it has nothing to say, and counts.
  while (polls.answers === answers) await pause(20);
}

/** Without a PROXY header nobody is served. */
async function closesOthers({ port }) {
  const socket = net.connect(port, '127.0.0.1');
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  socket.on('error', () => {});
  let said = '';
  socket.on('data', (bytes) => (said += bytes));
  await new Promise((resolve) => socket.on('close', resolve));
  assert.equal(said, '');
}

for (const [kind, ways] of Object.entries(WAYS)) {
  if (!isThere(kind)) {
    failed += 1;
    console.log(`SKIP ${kind} is missing: apt-get install ${kind}`);
    continue;
  }
  for (const [way, { tls, trusted, protocol = false }] of Object.entries(ways)) {
    const name = `${kind}${way && `, ${way}`}`;
    const server = await startServer({ tls, trusted, protocol });
    let proxy;
    let readers = [];
    await check(`${name}: starts`, async () => {
      proxy = await startProxy(kind, way, server);
      readers = await followAll(proxy, 'front');
    });
    if (readers.length > 0) {
      await check(`${name}: every transport delivers at once`, () => delivers(proxy, readers));
      await check(`${name}: addresses`, () => addresses(proxy, trusted));
      if (protocol) await check(`${name}: others are closed`, () => closesOthers(server));
      await check(`${name}: the server's end shows through`, () => ends(server, readers));
    }
    readers.forEach((reader) => reader.close());
    await proxy?.stop('SIGKILL');
    if (server.child.exitCode === null && server.child.signalCode === null) await server.stop('SIGKILL');
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
