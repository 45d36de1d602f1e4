// The browser's own clients, with no library of ours: EventSource, WebSocket, fetch, and pages of
// other origins.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';

import { WITHOUT_WALLS, launch, open, until } from './browser.mjs';
import { CuttingProxy } from './proxy.mjs';
import { Server } from './server.mjs';

const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

describe('native clients', { timeout: 120_000 }, () => {
  let browser;
  let server;

  before(async () => {
    server = await Server.start();
    browser = await launch(WITHOUT_WALLS);
  });
  after(async () => {
    await browser?.close();
    await server?.kill();
  });

  const blankPage = (origin = server.origin) => open(browser, `${origin}/blank`);

  test('EventSource reconnects by itself and resumes by Last-Event-ID', async () => {
    const proxy = await CuttingProxy.start(server.port);
    const { page, close } = await blankPage(proxy.origin);
    await page.evaluate(() => {
      window.seen = { unnamed: [], named: [], opened: 0, hellos: [] };
      const source = new EventSource('/channels/' + encodeURIComponent('흐름:🌊'));
      source.onopen = () => (window.seen.opened += 1);
      source.onmessage = ({ data }) => window.seen.unnamed.push(JSON.parse(data));
      source.addEventListener('가격-변경', ({ data }) => window.seen.named.push(JSON.parse(data)));
      source.addEventListener('$hello', ({ data }) => window.seen.hellos.push(JSON.parse(data)));
    });
    const seen = () => page.evaluate(() => window.seen);
    await until('hello', seen, ({ hellos }) => hellos.length === 1);
    const count = 30;
    for (const n of upTo(count)) {
      await server.publish('흐름:🌊', { n, 글: `메시지 ${n} 🎉` }, n % 3 === 0 ? { event: '가격-변경' } : {});
      if (n % 10 === 5) proxy.cut();
      if (n % 10 === 9) await until('reconnected', seen, ({ opened }) => opened === 1 + Math.ceil(n / 10));
    }
    const result = await until('all', seen, ({ unnamed, named }) => unnamed.length + named.length >= count);
    const all = [...result.unnamed, ...result.named].sort((a, b) => a.offset - b.offset);
    assert.deepEqual(all.map(({ offset }) => offset), upTo(count), 'each once');
    for (const list of [result.unnamed, result.named]) {
      assert.deepEqual(list.map(({ offset }) => offset), list.map(({ offset }) => offset).sort((a, b) => a - b), 'in order');
    }
    assert.deepEqual(result.named.map(({ data }) => data.n), upTo(count).filter((n) => n % 3 === 0));
    assert.ok(all.every(({ data, offset }) => data.글 === `메시지 ${offset} 🎉`));
    assert.ok(result.hellos.every(({ channels }) => channels['흐름:🌊'].recovered));
    const heads = proxy.sent.join('\n').toLowerCase();
    assert.ok((heads.match(/last-event-id: \S+-\d+/g) ?? []).length >= 3, 'the browser itself said where it was');
    await close();
    await proxy.stop();
  });

  test('WebSocket: subscribe, publish, acknowledge, bytes, no echo', async () => {
    const { page, complaints, close } = await blankPage();
    const told = await page.evaluate(async () => {
      const socket = new WebSocket(`ws://${location.host}/channels`, 'tidings.v1');
      socket.binaryType = 'arraybuffer';
      const inbox = [];
      const waiting = [];
      socket.onmessage = ({ data }) => {
        inbox.push(typeof data === 'string' ? JSON.parse(data) : readBytes(data));
        waiting.forEach((look) => look());
      };
      const got = (test) => new Promise((resolve, reject) => {
        const look = () => inbox.some(test) && resolve(inbox.find(test));
        waiting.push(look);
        look();
        setTimeout(() => reject(new Error(`not told: ${test}; only ${JSON.stringify(inbox)}`)), 10_000);
      });
      const say = (command) => socket.send(JSON.stringify(command));
      const hello = await got(({ type }) => type === 'hello');
      say({ type: 'subscribe', id: 1, channel: '방:🏠' });
      const subscribed = await got(({ id }) => id === 1);
      say({ type: 'publish', id: 2, channel: '방:🏠', event: '인사', data: { 글: '안녕 👋' } });
      const ack = await got(({ id }) => id === 2);
      const message = await got(({ type, offset }) => type === 'message' && offset === 1);
      socket.send(writeBytes({ type: 'publish', id: 'b', channel: '방:🏠' }, [0, 1, 254, 255]));
      const byteAck = await got(({ id }) => id === 'b');
      const bytes = await got(({ bytes }) => bytes);
      say({ type: 'publish', id: 4, channel: '방:🏠', data: 'not to me', encoding: 'text', echo: false });
      await got(({ id }) => id === 4);
      const skip = await got(({ type }) => type === 'skip');
      say({ type: 'no-such-command', id: 5 });
      const error = await got(({ id }) => id === 5);
      say({ type: 'unsubscribe', id: 6, channel: '방:🏠' });
      const unsubscribed = await got(({ id }) => id === 6);
      const { protocol } = socket;
      const types = inbox.map(({ type }) => type);
      const closed = new Promise((resolve) => (socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean })));
      socket.close(1000, '안녕히');
      return { protocol, hello, subscribed, ack, message, byteAck, bytes, skip, error, unsubscribed, types, closed: await closed };

      function readBytes(buffer) {
        const length = new DataView(buffer).getUint16(0);
        const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 2, length)));
        return { ...header, bytes: [...new Uint8Array(buffer, 2 + length)] };
      }
      function writeBytes(header, bytes) {
        const head = new TextEncoder().encode(JSON.stringify(header));
        const frame = new Uint8Array(2 + head.length + bytes.length);
        new DataView(frame.buffer).setUint16(0, head.length);
        frame.set(head, 2);
        frame.set(bytes, 2 + head.length);
        return frame;
      }
    });
    assert.equal(told.protocol, 'tidings.v1');
    assert.equal(told.hello.transport, 'websocket');
    assert.equal(told.subscribed.type, 'subscribed');
    assert.deepEqual([told.ack.type, told.ack.offset, told.ack.epoch], ['ack', 1, told.subscribed.epoch]);
    assert.deepEqual([told.message.event, told.message.data], ['인사', { 글: '안녕 👋' }]);
    assert.equal(told.message.from.client, told.hello.client);
    assert.deepEqual([told.byteAck.type, told.byteAck.offset], ['ack', 2]);
    assert.deepEqual([told.bytes.type, told.bytes.offset, told.bytes.bytes], ['message', 2, [0, 1, 254, 255]]);
    assert.deepEqual([told.skip.from, told.skip.to, told.skip.reason], [3, 3, 'own']);
    assert.deepEqual([told.error.type, told.error.code], ['error', 'invalid_command']);
    assert.equal(told.unsubscribed.type, 'unsubscribed');
    assert.equal(told.types.filter((type) => type === 'message').length, 2);
    assert.ok(told.types.indexOf('subscribed') < told.types.indexOf('message'));
    assert.deepEqual(told.closed, { code: 1000, wasClean: true });
    assert.deepEqual(complaints, []);
    await close();
  });

  test('fetch: a long-poll loop gets every message once', async () => {
    const { page, complaints, close } = await blankPage();
    await page.evaluate(() => {
      window.seen = { texts: [], offsets: [], answers: [] };
      (async () => {
        for (let cursor = 'now'; window.seen.offsets.length < 25;) {
          const answer = await fetch(`/channels/${encodeURIComponent('긴-조회')}?after=${cursor}&wait=20`);
          const { messages, ...rest } = await answer.json();
          ({ cursor } = rest);
          window.seen.answers.push(messages.length);
          window.seen.texts.push(...messages.map(({ data }) => data));
          window.seen.offsets.push(...messages.map(({ offset }) => offset));
        }
      })();
    });
    const seen = () => page.evaluate(() => window.seen);
    // The first poll must stand before the first message, since it starts now.
    await until('a waiting poll', async () => (await (await fetch(`${server.origin}/metrics`)).text()),
      (text) => /^tidings_readers\{transport="long[-_]poll"\} 1$/m.test(text));
    for (const n of upTo(25)) await server.publish('긴-조회', `${n}번째 🐢`);
    const { texts, offsets, answers } = await until('all', seen, (s) => s.offsets.length >= 25);
    assert.deepEqual(offsets, upTo(25));
    assert.deepEqual(texts, upTo(25).map((n) => `${n}번째 🐢`));
    assert.ok(answers.every((count) => count > 0), 'no answer without a message');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a page of another loopback origin may read and publish', async (t) => {
    const other = http.createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    t.after(() => other.close().closeAllConnections());
    const { page, close } = await open(browser, `http://127.0.0.1:${other.address().port}/`);
    const got = await page.evaluate(async (origin) => {
      const url = `${origin}/channels/${encodeURIComponent('이웃')}`;
      const published = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'neighbour-1' },
        body: '{"글":"옆집에서 🏡"}',
      });
      const polled = await fetch(url);
      const event = await new Promise((resolve, reject) => {
        const source = new EventSource(`${url}?after=earliest`);
        source.onmessage = ({ data }) => (source.close(), resolve(JSON.parse(data)));
        source.onerror = () => reject(new Error('refused'));
      });
      const frame = await new Promise((resolve, reject) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}?after=earliest`);
        socket.onmessage = ({ data }) => JSON.parse(data).type === 'message' && resolve(JSON.parse(data));
        socket.onerror = () => reject(new Error('refused'));
      });
      return {
        receipt: await published.json(), poll: await polled.json(), etag: polled.headers.get('ETag'),
        sse: event.data, websocket: frame.data,
      };
    }, server.origin);
    assert.equal(got.receipt.offset, 1);
    assert.ok(got.etag, 'ETag is exposed');
    for (const data of [got.poll.messages[0].data, got.sse, got.websocket]) assert.deepEqual(data, { 글: '옆집에서 🏡' });
    await close();
  });

  test('a page of a foreign site is refused on every transport, and publishes nothing', async (t) => {
    const page = await browser.newPage();
    t.after(() => page.close());
    await page.route('http://evil.example/**', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto('http://evil.example/');
    const refusals = await refusedOrigins(server);
    const got = await page.evaluate(async (origin) => {
      const url = `${origin}/channels/secret`;
      const outcome = (promise) => promise.then(() => 'allowed', () => 'refused');
      const websocket = new Promise((resolve) => {
        const socket = new WebSocket(url.replace('http', 'ws'));
        socket.onopen = () => resolve('allowed');
        socket.onerror = () => resolve('refused');
      });
      const sse = new Promise((resolve) => {
        const source = new EventSource(url);
        source.onopen = () => resolve('allowed');
        source.onerror = () => resolve(source.readyState === EventSource.CLOSED ? 'refused' : 'comes back');
      });
      // Without CORS the answer is hidden, but the request is made.
      const post = await outcome(fetch(url, { method: 'POST', mode: 'no-cors', body: 'forged' }));
      return { fetch: await outcome(fetch(url)), websocket: await websocket, sse: await sse, post };
    }, server.origin);
    assert.deepEqual([got.fetch, got.websocket, got.sse], ['refused', 'refused', 'refused']);
    assert.deepEqual((await server.read('secret')).messages, [], 'a request that needs no permission publishes nothing either');
    assert.equal(await refusedOrigins(server) - refusals, 4, 'the server was asked and refused');
  });

  // A browser may refuse on its own before the server is asked; these go to the server itself.
  test('a forged Origin or Host is refused by the server', async () => {
    const upgrade = {
      Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    const attempts = [
      ['GET', { Origin: 'http://evil.example' }],
      ['POST', { Origin: 'http://evil.example' }],
      ['OPTIONS', { Origin: 'http://evil.example', 'Access-Control-Request-Method': 'POST' }],
      ['GET', { Origin: 'http://evil.example', Accept: 'text/event-stream' }],
      ['GET', { Origin: 'http://evil.example', ...upgrade }],
      ['GET', { Origin: 'null' }],
      ['GET', { Host: 'evil.example' }],
      ['GET', { Host: 'evil.example', Origin: 'http://evil.example' }],
    ];
    for (const [method, headers] of attempts) {
      const { status, fields } = await ask(server.port, method, headers);
      assert.equal(status, 403, JSON.stringify([method, headers]));
      assert.equal(fields['access-control-allow-origin'], undefined);
    }
    assert.equal((await ask(server.port, 'GET', { Origin: server.origin })).status, 200);
  });
});

/** How often the server refused an origin, by its own count. */
async function refusedOrigins(server) {
  const metrics = await (await fetch(`${server.origin}/metrics`)).text();
  const count = /^tidings_refusals_total\{code="origin_not_allowed"\} (\d+)$/m.exec(metrics);
  return Number(count?.[1] ?? 0);
}

function ask(port, method, headers) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path: '/channels/secret', method, headers });
    request.on('response', (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode, fields: answer.headers });
    });
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve({ status: answer.statusCode, fields: answer.headers });
    });
    request.on('error', reject);
    request.end();
  });
}
