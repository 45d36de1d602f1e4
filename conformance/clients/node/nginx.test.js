// nginx between the clients and the server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';

import { Nginx, shownConfiguration } from './nginx.js';
import { followEvents, followPolls, followSocket } from './readers.js';
import { PAYLOADS, Server, publish, publishNumbers, upTo } from './support.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.kill());

const hello = (journal) => journal.of('hello').length > 0;

/** A proxy that nobody told anything: HTTP/1.0 to the server, no upgrades. */
const UNTOLD = 'server { listen 8080; location / { proxy_pass http://127.0.0.1:8000; } }';

/** The status of a short poll with these headers. */
async function statusAs(port, headers) {
  const request = http.get({ host: '127.0.0.1', port, path: '/channels/names', headers });
  const [answer] = await once(request, 'response');
  answer.resume();
  return answer.statusCode;
}

/** A reader per transport that streams, reading live. */
async function followAll(url, channel) {
  const first = (await (await fetch(`${url}/channels/${channel}`)).json()).cursor;
  const polls = followPolls(url, channel, first);
  const events = followEvents(`${url}/channels/${channel}`);
  const socket = followSocket(url, channel);
  await Promise.all([events, socket].map(({ journal }) => journal.until(hello, 'hello')));
  return [polls, events, socket];
}

describe('nginx as the README shows it', () => {
  let nginx;
  let shown;
  before(async () => {
    shown = await shownConfiguration();
    nginx = await Nginx.start(shown, server.port);
  });
  after(() => nginx.stop());

  test('publishing and all four transports, each message at once', async (t) => {
    const readers = await followAll(nginx.url, 'front');
    t.after(() => readers.forEach((reader) => reader.close()));
    for (const [index, [type, body]] of PAYLOADS.entries()) {
      await publish(nginx.url, 'front', body, type);
      // None waits for the next one to fill a buffer.
      await Promise.all(readers.map(({ journal }) => journal.untilMessages(index + 1)));
    }
    for (const { journal } of readers) {
      assert.deepEqual(journal.offsets, upTo(PAYLOADS.length));
      assert.deepEqual(journal.messages.slice(1, 5).map(({ data }) => data), PAYLOADS.slice(1, 5).map(([, , data]) => data));
    }
    const poll = await (await fetch(`${nginx.url}/channels/front?after=earliest`)).json();
    assert.deepEqual(poll.messages.map(({ offset }) => offset), upTo(PAYLOADS.length));
  });

  test('a reload cuts all streams, and each goes on where it stood', async (t) => {
    const readers = await followAll(nginx.url, 'reload');
    t.after(() => readers.forEach((reader) => reader.close()));
    const [, events, socket] = readers;
    await publishNumbers(server.url, 'reload', 1, 5);
    await Promise.all(readers.map(({ journal }) => journal.untilMessages(5)));
    nginx.reload();
    const cut = once(socket.socket, 'close');
    let published = 5;
    let isCut = false;
    cut.then(() => (isCut = true));
    while (!isCut) {
      published += 1;
      await publishNumbers(server.url, 'reload', published, published);
    }
    await publishNumbers(server.url, 'reload', published + 1, published + 5);
    await Promise.all(readers.map(({ journal }) => journal.untilMessages(published + 5)));
    assert.ok(socket.connects >= 2);
    assert.ok(events.requests.length >= 2);
    for (const { journal } of readers) {
      assert.deepEqual(journal.offsets, upTo(published + 5));
      assert.deepEqual(journal.of('gap'), []);
    }
  });

  test('an end of the server shows through', async (t) => {
    const own = await Server.during(t);
    const front = await Nginx.start(shown, own.port);
    t.after(() => front.stop());
    const readers = await followAll(front.url, 'behind');
    t.after(() => readers.forEach((reader) => reader.close()));
    const [, , socket] = readers;
    await publishNumbers(own.url, 'behind', 1, 3);
    await Promise.all(readers.map(({ journal }) => journal.untilMessages(3)));
    const closed = once(socket.socket, 'close');
    await own.kill('SIGTERM');
    assert.equal((await closed)[0], 1001);
  });

  test('pages of its public name may read, and a name that is not listed is not answered', async (t) => {
    const own = await Server.during(t, ['--set', 'hosts=rt.example']);
    const front = await Nginx.start(shown, own.port);
    t.after(() => front.stop());
    const status = (host, origin) => statusAs(front.port, { host, origin });
    assert.equal(await status('rt.example', 'http://rt.example'), 200);
    assert.equal(await status('rt.example', 'https://evil.example'), 403);
    assert.equal(await status('evil.example', 'http://evil.example'), 403);
  });
});

describe('nginx without a word about upgrades', () => {
  let nginx;
  before(async () => (nginx = await Nginx.start(UNTOLD, server.port)));
  after(() => nginx.stop());

  test('events flow, polls and publishing work', async (t) => {
    const first = (await (await fetch(`${nginx.url}/channels/plain`)).json()).cursor;
    const readers = [followEvents(`${nginx.url}/channels/plain`), followPolls(nginx.url, 'plain', first)];
    t.after(() => readers.forEach((reader) => reader.close()));
    await readers[0].journal.until(hello, 'hello');
    for (const number of upTo(5)) {
      await publish(nginx.url, 'plain', JSON.stringify(`소식 ${number}`));
      await Promise.all(readers.map(({ journal }) => journal.untilMessages(number)));
    }
    readers.forEach(({ journal }) => assert.deepEqual(journal.offsets, upTo(5)));
  });

  test('a WebSocket is refused, and the answer names the proxy', async (t) => {
    const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/channels/plain`);
    t.after(() => socket.terminate());
    const [, answer] = await once(socket, 'unexpected-response');
    const body = Buffer.concat(await answer.toArray()).toString();
    socket.on('error', () => {});
    assert.ok(answer.statusCode === 400 || answer.statusCode === 426, `${answer.statusCode} ${body}`);
    assert.match(body, /proxy/);
  });
});
