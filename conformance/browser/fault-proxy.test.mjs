// The proxy that breaks things, as tests in Node command it.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';

import { FaultProxy } from './fault-proxy.mjs';
import { Server } from './server.mjs';

describe('a proxy before a server', { timeout: 60_000 }, () => {
  let server;
  let proxy;

  before(async () => {
    server = await Server.start();
    proxy = await FaultProxy.start({ port: server.port, seed: 7 });
  });
  after(async () => {
    await proxy?.stop();
    await server?.kill();
  });
  beforeEach(async () => {
    await proxy.clear();
    await proxy.up();
    await proxy.to(server.port);
    await proxy.cut();
  });

  const url = (channel, query = '') => `${proxy.origin}/channels/${channel}${query}`;

  /** A stream of events, and what comes over it as text. */
  async function follow(channel) {
    const answer = await fetch(url(channel), { headers: { Accept: 'text/event-stream' } });
    assert.equal(answer.status, 200);
    return answer.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Everything until the stream ends. Node takes a reset that comes with the last bytes for an end in order. */
  async function rest(reader) {
    let text = '';
    try {
      for (let part; !(part = await reader.read()).done; ) text += part.value;
    } catch (error) {
      assert.equal(error.message, 'terminated');
    }
    return text;
  }

  test('without a fault everything passes, and is told', async () => {
    const answer = await fetch(url('지나감'), { method: 'POST', body: '안녕 👋', headers: { 'Content-Type': 'text/plain' } });
    assert.equal(answer.status, 200);
    assert.equal((await server.read('지나감')).messages[0].data, '안녕 👋');
    const told = (await proxy.log()).at(-1);
    assert.deepEqual([told.kind, told.method, told.status, told.fault], ['publish', 'POST', 200, null]);
  });

  test('a fault meets what it names', async () => {
    await proxy.set([{ on: ['publish'], fault: { status: 502 }, times: 1 }, { on: ['sse'], fault: { cut_bytes: 40 } }]);
    const publish = () => fetch(url('결함'), { method: 'POST', body: '1' });
    const page = await publish();
    assert.deepEqual([page.status, page.headers.get('Content-Type')], [502, 'text/html; charset=utf-8']);
    await page.text();
    assert.equal((await publish()).status, 200);
    const part = await rest(await follow('결함'));
    assert.ok(part.startsWith('id: ') && part.length < 40, part);
    const ends = (await proxy.log()).slice(-3).map(({ kind, end, fault }) => [kind, end, fault]);
    assert.deepEqual(ends[0], ['publish', 'done', { status: 502 }]);
    assert.deepEqual(ends[2], ['sse', 'cut', { cut_bytes: 40 }]);
  });

  test('live connections are silenced and cut', async () => {
    const stream = await follow('살아있음');
    assert.match((await stream.read()).value, /\$hello/);
    assert.equal((await proxy.live()).sse, 1);
    assert.equal(await proxy.cut(['websocket', 'poll']), 0);
    assert.equal(await proxy.stall(['sse']), 1);
    await server.publish('살아있음', '들리지 않음');
    assert.equal(await proxy.cut(['sse']), 1);
    assert.doesNotMatch(await rest(stream), /들리지 않음/);
    assert.equal((await proxy.live()).sse, 0);
  });

  test('a server goes away, and comes back on another port', async () => {
    await proxy.down();
    await assert.rejects(fetch(`${proxy.origin}/healthz`), TypeError);
    await proxy.up();
    const other = await Server.start();
    try {
      await other.publish('이사', 1);
      await proxy.to(other.port);
      const answer = await fetch(url('이사', '?after=earliest'));
      assert.equal((await answer.json()).messages.length, 1);
    } finally {
      await other.kill();
    }
  });

  test('a wrong command says what is wrong', async () => {
    await assert.rejects(proxy.set([{ fault: { explode: 1 } }]), /unknown field `explode`, expected one of `status`/);
    await assert.rejects(proxy.cut(['ws']), /unknown variant `ws`, expected one of `websocket`/);
  });

  test('it stops, and twice is as good as once', async () => {
    const another = await FaultProxy.start({ port: server.port });
    await another.stop();
    await another.stop();
    await assert.rejects(fetch(another.origin), TypeError);
  });
});
