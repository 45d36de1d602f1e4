// The server's own transcripts, answered to the client over each transport: what an application is told is what they say, in their order.
//
// Not here: raw.txt (a format for who has no client), compression.txt (the runtime inflates) and cors.txt (a browser decides).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { WebSocket as Ws, WebSocketServer } from 'ws';

import { Tidings } from '../dist/index.js';
import { told, transcript } from './transcript.mjs';

let server;
let sockets;
/** What the next reading is answered with, and what it asked. */
let exchange;
let asked;
/** In the path of each reading's server: a request of the one before, which came late, is not answered. */
let turn = 0;

before(async () => {
  sockets = new WebSocketServer({ noServer: true });
  server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const [, of, path] = /^\/(\d+)(.*)$/.exec(request.url);
    if (Number(of) !== turn) return;
    if (path === '/session') return response.setHeader('Content-Type', 'application/json').end('{"client":"c","session":"s"}');
    if (path === '/healthz') return response.end('ok');
    // Only once: what comes after the transcript waits.
    if (asked) return;
    asked = { url: request.url, body };
    const { 'content-length': _, 'transfer-encoding': __, connection: ___, ...headers } = exchange.answerHeaders;
    response.writeHead(exchange.status, headers);
    response.write(exchange.answer);
    if (exchange.ended || !headers['content-type']?.startsWith('text/event-stream')) response.end();
  });
  server.on('upgrade', (request, socket, head) => {
    // Only once, too: a transcript that closes makes the client come back.
    if (asked || !request.url.startsWith(`/${turn}/`)) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (accepted) => play(accepted));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

after(() => {
  server.close();
  server.closeAllConnections();
  sockets.close();
});

/** The frames of a transcript, in which the channel stands in the URL; this client asks by a command, which is answered from `hello`. */
function play(socket) {
  asked = { commands: [] };
  const [first, ...rest] = exchange.frames;
  const places = first.text && JSON.parse(first.text).channels;
  socket.send(first.text);
  const finish = () => {
    for (const { text, binary, close, reason } of rest) {
      if (close) socket.close(close, reason);
      else socket.send(text ?? binary);
    }
  };
  if (!places) return finish();
  socket.on('message', (data) => {
    const command = JSON.parse(data);
    asked.commands.push(command);
    if (command.type !== 'subscribe') return;
    const { channel, id } = command;
    socket.send(JSON.stringify({ type: 'subscribed', id, channel, ...places[channel] }));
    finish();
  });
}

/** What a reading of these transcripts says, in the words of an application. */
function says({ answer, answerHeaders, status, frames, target, body }) {
  if (status === 204) return names(target, body).map((channel) => ({ type: 'closed', channel }));
  let found;
  if (frames.length) found = frames.filter(({ close }) => !close).map(({ text, binary }) => (text ? JSON.parse(text) : fromBinary(binary)));
  else if (answerHeaders['content-type'] === 'text/event-stream') found = answer.toString().split('\n').filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
  else {
    const { messages, closed } = JSON.parse(answer);
    // All channels have ended, said once.
    found = closed && !messages.some(({ type }) => type === 'closed') ? names(target, body).map((channel) => ({ type: 'closed', channel })) : messages;
  }
  return found.filter(({ type }) => ['message', 'gap', 'skip', 'closed'].includes(type)).map((frame) => {
    const { encoding, data } = frame;
    return told(encoding === 'base64' ? { ...frame, data: new Uint8Array(Buffer.from(data, 'base64')) } : frame);
  });
}

function fromBinary(frame) {
  const end = 2 + frame.readUInt16BE();
  return { ...JSON.parse(frame.subarray(2, end)), data: new Uint8Array(frame.subarray(end)) };
}

function names(target, body) {
  const url = new URL(target, 'http://server');
  if (body.length) return JSON.parse(body).channels.map(({ name }) => name);
  const [, name] = /^\/channels\/([^/]+)$/.exec(url.pathname) ?? [];
  return name ? [decodeURIComponent(name)] : url.searchParams.getAll('name');
}

/** Where each channel starts, as the transcript's request says. */
function starts({ target, body, headers }) {
  if (body.length) return JSON.parse(body).channels;
  const { searchParams } = new URL(target, 'http://server');
  const afters = searchParams.getAll('after');
  const last = searchParams.get('last');
  return names(target, body).map((name, at) => {
    const position = headers['last-event-id'] ?? afters[at] ?? afters[0];
    return { name, ...(position !== undefined && { after: position }), ...(last && { last: Number(last) }) };
  });
}

async function read(of, rung, channels) {
  exchange = of;
  asked = undefined;
  const expected = says(of);
  const tidings = new Tidings(`http://127.0.0.1:${server.address().port}/${++turn}`, { transports: [rung], WebSocket: Ws });
  const got = [];
  const errors = [];
  tidings.on('$failed', (error) => errors.push(error));
  try {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`told ${JSON.stringify(got)}, not ${JSON.stringify(expected)}`)), 5_000);
      const done = () => {
        clearTimeout(timer);
        // What should not come would come now.
        setTimeout(resolve, 20);
      };
      const look = () => got.length === expected.length && done();
      for (const { name, ...options } of channels) {
        const channel = tidings.channel(name, options);
        for (const event of ['$message', '$gap', '$skip', '$closed']) {
          channel.on(event, (frame) => {
            got.push(told(frame));
            look();
          });
        }
        // A reading of nothing is one that was answered.
        if (!expected.length) channel.ready().then(done, done);
      }
      tidings.on('$failed', done);
    });
  } finally {
    tidings.close();
  }
  return { got, errors, expected };
}

const isReading = ({ method, target, name }) => name !== 'backend' && (method === 'GET' || target === '/read');

let played = 0;

for (const [file, ...rungs] of [
  ['sse.txt', 'sse', 'sse-post'],
  ['websocket.txt', 'websocket'],
  ['long-poll.txt', 'long-poll'],
  ['short-poll.txt', 'poll', 'long-poll'],
  ['several-channels.txt'],
  ['caching.txt', 'poll'],
]) {
  for (const rung of rungs.length ? rungs : ['']) {
    test(`${file}${rung && ` over ${rung}`}`, { concurrency: false }, async (context) => {
      for (const of of transcript(file).filter((each) => isReading(each) && (each.status === 200 || each.status === 204 || each.status === 101))) {
        const by = rung || (of.answerHeaders['content-type'] === 'text/event-stream' ? 'sse' : 'poll');
        await context.test(`${of.method} ${of.target} ${of.headers['last-event-id'] ?? ''}`, async () => {
          const channels = starts(of);
          const { got, errors, expected } = await read(of, by, channels);
          assert.deepEqual(errors, []);
          assert.deepEqual(got, expected);
          played++;
          // It asked for the same.
          const said = JSON.stringify(asked);
          for (const { name, after: position } of channels) assert.ok(said.includes(name) || said.includes(encodeURIComponent(name)), `${name} in ${said}`), assert.ok(position === undefined || said.includes(position), `${position} in ${said}`);
        });
      }
    });
  }
}

test('errors.txt: what a reading is refused with is what the application is told', async (context) => {
  for (const of of transcript('errors.txt').filter((each) => isReading(each) && each.status >= 400)) {
    for (const rung of ['sse', 'sse-post', 'poll']) {
      await context.test(`${of.target} over ${rung}`, async () => {
        exchange = of;
        asked = undefined;
        const problem = JSON.parse(of.answer);
        const tidings = new Tidings(`http://127.0.0.1:${server.address().port}/${++turn}`, { transports: [rung] });
        const failed = new Promise((resolve) => tidings.on('$failed', resolve));
        tidings.channel('a').on('message', () => {});
        const error = await failed;
        assert.deepEqual([error.code, error.message, error.temporary], [problem.code, problem.detail, false]);
        assert.equal(tidings.state, 'closed');
        tidings.close();
        played++;
      });
    }
  }
});

test('websocket-refused.txt: the error, not its close code', async () => {
  [exchange] = transcript('websocket-refused.txt');
  asked = undefined;
  const tidings = new Tidings(`http://127.0.0.1:${server.address().port}/${++turn}`, { transports: ['websocket'], WebSocket: Ws });
  const failed = new Promise((resolve) => tidings.on('$failed', resolve));
  tidings.channel('a').on('message', () => {});
  const error = await failed;
  const said = JSON.parse(exchange.frames[0].text);
  assert.deepEqual([error.code, error.message], [said.code, said.message]);
  tidings.close();
});

test('commands.txt: errors of others\' commands change nothing; a message and a skip come', async () => {
  const [of] = transcript('commands.txt');
  // The frames that are not answers to a subscription, which this client asks for itself.
  const frames = of.frames.filter(({ text, close }) => !close && !/"subscribed"|"unsubscribed"|^\{"type":"error","code"/.test(text));
  const [hello, ...rest] = frames;
  const value = { ...JSON.parse(hello.text), channels: { '방:7': { epoch: 'epoch', offset: 0, recovered: true } } };
  const { got, errors, expected } = await read({ ...of, frames: [{ text: JSON.stringify(value) }, ...rest] }, 'websocket', [{ name: '방:7' }]);
  assert.deepEqual([got, errors], [expected, []]);
  assert.deepEqual(got.map(({ type }) => type), ['message', 'skip']);
});

test('publishing.txt: every result of a batch is of its message', async () => {
  const batches = transcript('publishing.txt').filter(({ target }) => target === '/publish');
  assert.ok(batches.length > 1);
  for (const of of batches) {
    exchange = of;
    const { messages } = JSON.parse(of.body);
    const { results } = JSON.parse(of.answer);
    assert.equal(messages.length, results.length);
    // One request for all of them: what is published in one turn after the first waits for it.
    const tidings = new Tidings('http://server', {
      fetch: async (_, { body }) => {
        const count = JSON.parse(body).messages.length;
        return Response.json({ results: results.splice(0, count) });
      },
    });
    const expected = structuredClone(results);
    const got = await Promise.all(messages.map(({ channel, data, ...options }) => tidings.publish(channel, data, options).catch(({ code, message }) => ({ code, detail: message }))));
    got.forEach((each, at) => assert.deepEqual(each, expected[at].code ? { code: expected[at].code, detail: expected[at].detail } : expected[at]));
    tidings.close();
  }
});

test('the transcripts were there', () => assert.ok(played > 60, `${played} exchanges`));
