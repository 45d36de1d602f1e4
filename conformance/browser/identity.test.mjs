// Who asks, as a real browser says it: cookies and origins, tickets, subprotocols, tokens that end and are renewed.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';

import { WITHOUT_WALLS, launch, prepare, until } from './browser.mjs';
import { Keyed, Pages } from './keyed.mjs';
import { CuttingProxy } from './proxy.mjs';
import { install, ofType, offsets, seenBy } from './readers.mjs';

const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);
const SECRET = '비밀: 남에게 보이지 않습니다';

describe('a server that asks who comes', { timeout: 180_000 }, () => {
  let browser, app, stranger, keyed, proxy, server;
  let context;

  before(async () => {
    browser = await launch(WITHOUT_WALLS);
    [app, stranger] = [await Pages.start(), await Pages.start()];
    keyed = await Keyed.start({ origins: [app.origin()] });
    // The server as the pages know it: what both sides say is kept.
    proxy = await CuttingProxy.start(keyed.server.port);
    server = proxy.origin.replace('127.0.0.1', 'localhost');
  });
  after(async () => {
    await browser?.close();
    await proxy?.stop();
    await keyed?.stop();
    await app?.stop();
    await stranger?.stop();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    await prepare(context);
  });
  afterEach(() => context.close());

  /** A page of this origin, with readers. */
  async function pageOf(origin, path = '/') {
    const page = await context.newPage();
    await install(page);
    await page.goto(`${origin}${path}`);
    return page;
  }

  /** Gives the browser a cookie that it sends wherever cookies go at all. */
  const setCookie = (value) =>
    context.addCookies([{ name: 'tidings_token', value, domain: 'localhost', path: '/', httpOnly: true, secure: true, sameSite: 'None' }]);

  const url = (channel, query = '') => `${server}/channels/${encodeURIComponent(channel)}${query}`;
  const socketUrl = (channel, query = '') => url(channel, query).replace('http', 'ws');

  /** A ticket for this token, got by the page. */
  async function ticketFor(page, token) {
    const options = { method: 'POST', headers: { Authorization: `Bearer ${token}` } };
    const { status, body } = await page.evaluate(([url, options]) => window.ask(url, options), [`${server}/tickets`, options]);
    assert.equal(status, 200, JSON.stringify(body));
    return body.ticket;
  }

  /** What the connections that carried a head of this kind said and were answered. */
  const exchanges = (mark) => proxy.sent.map((sent, index) => ({ sent, answered: proxy.answered[index] })).filter(({ sent }) => sent.includes(mark));

  test('the cookie counts for pages of a listed origin, on every transport', async () => {
    await setCookie(await keyed.token('앨리스', { subscribe: ['cookie:*'], publish: ['cookie:*'] }));
    const page = await pageOf(app.origin());
    const json = { 'Content-Type': 'application/json' };
    const post = { method: 'POST', credentials: 'include', headers: json, body: '{"글":"쿠키로"}' };
    const ask = (options, query) => page.evaluate(([url, options]) => window.ask(url, options), [url('cookie:a', query), options]);
    assert.equal((await ask(post)).body.offset, 1);
    const polled = await ask({ credentials: 'include' }, '?after=earliest');
    assert.deepEqual(polled.body.messages.map(({ data, from }) => [data, from.user]), [[{ 글: '쿠키로' }, '앨리스']]);
    await page.evaluate(([sse, websocket]) => {
      window.follow('sse', sse, { withCredentials: true });
      window.talk('websocket', websocket);
    }, [url('cookie:a', '?after=earliest'), socketUrl('cookie:a', '?after=earliest')]);
    for (const name of ['sse', 'websocket']) {
      const seen = await until(name, seenBy(page, name), (seen) => offsets(seen).length === 1);
      assert.equal(ofType(seen, 'hello')[0].user, '앨리스');
    }
    // Without it nobody is known, and the page can read that.
    for (const credentials of ['omit', 'same-origin']) {
      const refused = await ask({ credentials });
      assert.deepEqual([refused.status, refused.body.code], [401, 'unauthorized']);
    }
    // Rights end where the token's do.
    assert.equal((await page.evaluate((url) => window.ask(url, { credentials: 'include' }), url('other:a'))).body.code, 'forbidden');
  });

  for (const [what, host] of [['of the same site', 'localhost'], ['of a foreign site', '127.0.0.1']]) {
    test(`a page ${what} that is not listed rides on no cookie`, async () => {
      await setCookie(await keyed.token('victim', { subscribe: ['secret'], publish: ['secret'] }));
      const channel = 'secret';
      const before = (await keyed.server.publish(channel, SECRET)).offset;
      const origin = stranger.origin(host);
      const page = await pageOf(origin);
      const got = await page.evaluate(async ([url, websocket]) => {
        const include = { credentials: 'include' };
        const polled = await window.ask(url, include);
        const published = await window.ask(url, { ...include, method: 'POST', body: 'forged' });
        await fetch(url, { ...include, method: 'POST', mode: 'no-cors', body: 'forged' });
        const withHeader = await window.ask(url, { ...include, headers: { 'Tidings-Session': 's1_x' } });
        window.follow('sse', url, { withCredentials: true });
        window.talk('websocket', websocket);
        return { polled, published, withHeader };
      }, [url(channel, '?after=earliest'), socketUrl(channel, '?after=earliest')]);
      for (const [name, answer] of Object.entries(got)) assert.deepEqual(answer, { hidden: 'TypeError' }, name);
      const sse = await until('closed', seenBy(page, 'sse'), ({ state }) => state === 2);
      const websocket = await until('closed', seenBy(page, 'websocket'), ({ code }) => code !== undefined);
      assert.deepEqual([sse.events, sse.opened, websocket.events, websocket.opened], [[], 0, [], 0]);
      // What went over the wire, whatever the browser then hid.
      const told = exchanges(`Origin: ${origin}\r\n`);
      const heads = told.map(({ sent }) => sent).join('');
      const answers = told.map(({ answered }) => answered).join('');
      // Browsers keep the cookies of a foreign site to themselves, but not those of another port.
      if (host === 'localhost') assert.ok((heads.match(/Cookie: tidings_token=/g) ?? []).length >= 5, 'the browser sent the cookie');
      assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), Array(6).fill('HTTP/1.1 403'), 'the server was asked and refused');
      assert.doesNotMatch(answers, /access-control-/i);
      assert.ok(!answers.includes(Buffer.from(SECRET).toString('latin1')));
      assert.equal((await keyed.server.read(channel)).messages.at(-1).offset, before, 'nothing was published');
    });
  }

  test('without an Origin the cookie counts for the own pages only', async () => {
    await setCookie(await keyed.token('victim', { subscribe: ['own'] }));
    await keyed.server.publish('own', SECRET);
    const own = await pageOf(server, '/blank');
    const target = url('own', '?after=earliest');
    const marked = exchanges('/channels/own?after=earliest').length;
    assert.equal(marked, 0);
    const polled = await own.evaluate((url) => window.ask(url), target);
    assert.deepEqual(polled.body.messages.map(({ data }) => data), [SECRET]);
    await own.evaluate((url) => window.follow('sse', url), target);
    const seen = await until('a message', seenBy(own, 'sse'), (seen) => offsets(seen).length === 1);
    assert.equal(ofType(seen, 'hello')[0].user, 'victim');
    const heads = exchanges('/channels/own?after=earliest').map(({ sent }) => sent).join('');
    assert.doesNotMatch(heads, /^Origin:/m, 'a browser sends none here');
    assert.match(heads, /^Sec-Fetch-Site: same-origin\r$/m);
    await own.evaluate(() => window.sse.close());

    // Links, forms, scripts and pictures of others: they bring the cookie and no Origin.
    const page = await pageOf(stranger.origin());
    await page.evaluate((url) => fetch(`${url}&_=embedded`, { mode: 'no-cors', credentials: 'include' }), target);
    const shown = await page.goto(`${target}&_=link`);
    assert.equal(shown.status(), 401);
    assert.doesNotMatch(await page.content(), /비밀/);
    for (const way of ['_=embedded', '_=link']) {
      const [{ sent, answered }] = exchanges(way);
      const head = sent.slice(sent.indexOf(way)).split('\r\n\r\n')[0];
      assert.match(head, /^Cookie: tidings_token=/m, way);
      assert.doesNotMatch(head, /^Origin:/m, way);
      assert.match(answered.slice(answered.lastIndexOf('HTTP/1.1 ')), /^HTTP\/1\.1 401 /, way);
    }
  });

  test('EventSource with a ticket comes back by itself as the same client, and nothing is lost or twice', async () => {
    const page = await pageOf(app.origin());
    const ticket = await ticketFor(page, await keyed.token('bora', { subscribe: ['ticket'] }));
    await page.evaluate((url) => window.follow('sse', url), url('ticket', `?ticket=${ticket}`));
    const seen = seenBy(page, 'sse');
    const hello = (count) => until(`hello ${count}`, seen, (seen) => ofType(seen, 'hello').length === count);
    const { client } = ofType(await hello(1), 'hello')[0];
    for (const n of upTo(40)) {
      await keyed.server.publish('ticket', `${n}번째 🎫`);
      if (n === 10 || n === 20) proxy.cut();
      if (n === 30) await keyed.disconnect({ client });
      if (n % 10 === 8 && n > 10) await hello(Math.floor(n / 10) + 1);
    }
    const all = await until('all', seen, (seen) => offsets(seen).length >= 40);
    assert.deepEqual(offsets(all), upTo(40));
    const hellos = ofType(all, 'hello');
    assert.deepEqual(hellos.map((hello) => [hello.client, hello.user, hello.channels.ticket.recovered]), Array(4).fill([client, 'bora', true]));
    assert.deepEqual(ofType(all, 'error').map(({ code }) => code), ['disconnected']);
    // It is bound to the origin that used it first.
    const thief = await pageOf(stranger.origin());
    await thief.evaluate((url) => window.follow('sse', url), url('ticket', `?after=earliest&ticket=${ticket}`));
    const stolen = await until('closed', seenBy(thief, 'sse'), ({ state }) => state === 2);
    assert.deepEqual([stolen.events, stolen.opened], [[], 0]);
    const own = await pageOf(server, '/blank');
    const answer = await own.evaluate((url) => window.ask(url), url('ticket', `?after=earliest&ticket=${ticket}`));
    assert.deepEqual([answer.status, answer.body.code], [401, 'unauthorized'], 'of another origin that may');
  });

  test('where the token ends, streams are told and end for good', async () => {
    const page = await pageOf(app.origin());
    const short = () => keyed.token('carol', { subscribe: ['short'], expires: '4s' });
    const [cookie, token] = [await short(), await short()];
    await setCookie(cookie);
    const ticket = await ticketFor(page, token);
    await page.evaluate(([ticketed, cookied, websocket, token]) => {
      window.follow('ticketed', ticketed);
      window.follow('cookied', cookied, { withCredentials: true });
      window.talk('websocket', websocket, ['tidings.v1', `bearer.${token}`]);
    }, [url('short', `?ticket=${ticket}`), url('short'), socketUrl('short'), token]);
    for (const name of ['ticketed', 'cookied']) {
      const seen = await until(`${name} closed`, seenBy(page, name), ({ state }) => state === 2);
      assert.deepEqual(seen.events.map(({ type }) => type), ['hello', 'expiring', 'error'], name);
      assert.equal(seen.events[2].code, 'token_expired', name);
      assert.ok(seen.events[1].in_ms <= 4000, name);
    }
    const socket = await until('closed', seenBy(page, 'websocket'), ({ code }) => code !== undefined);
    assert.deepEqual([socket.code, socket.events.at(-1).code], [4022, 'token_expired']);
    const answer = await page.evaluate((url) => window.ask(url, { credentials: 'include' }), url('short'));
    assert.deepEqual([answer.status, answer.body.code], [401, 'token_expired']);
  });

  test('a token shown in time keeps an EventSource open past the end of its first', async () => {
    const page = await pageOf(app.origin());
    const first = await keyed.token('dora', { subscribe: ['long'], expires: '4s' });
    const ticket = await ticketFor(page, first);
    await page.evaluate((url) => window.follow('sse', url), url('long', `?ticket=${ticket}`));
    const [hello] = ofType(await until('expiring', seenBy(page, 'sse'), (seen) => ofType(seen, 'expiring').length === 1), 'hello');
    const token = await keyed.token('dora', { subscribe: ['long'] });
    const options = {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ session: hello.session }),
    };
    const renewed = await page.evaluate(([url, options]) => window.ask(url, options), [`${server}/session`, options]);
    assert.deepEqual([renewed.status, renewed.body.client, renewed.body.user], [200, hello.client, 'dora']);
    assert.ok(renewed.body.expires > hello.expires + 60);
    // The first token has ended when nobody takes it any more.
    const answered = () => page.evaluate(([url, token]) => window.ask(url, { headers: { Authorization: `Bearer ${token}` } }), [url('long'), first]);
    await until('the first token ended', answered, ({ body }) => body.code === 'token_expired');
    await keyed.server.publish('long', '아직 있어요');
    const seen = await until('a message', seenBy(page, 'sse'), (seen) => offsets(seen).length === 1);
    assert.deepEqual([seen.opened, seen.state, ofType(seen, 'error')], [1, 1, []]);
    await page.evaluate(() => window.sse.close());
  });

  test('WebSocket: the token as a subprotocol, and as the first message', async () => {
    const page = await pageOf(app.origin());
    const token = await keyed.token('에밀', { subscribe: ['ws'], publish: ['ws'] });
    await keyed.server.publish('ws', '먼저');
    await page.evaluate(([url, token]) => {
      window.talk('offered', url, ['tidings.v1', `bearer.${token}`]);
      window.talk('wrong', url, ['tidings.v1', `bearer.${token}x`]);
    }, [socketUrl('ws', '?after=earliest'), token]);
    const offered = await until('a message', seenBy(page, 'offered'), (seen) => offsets(seen).length === 1);
    assert.deepEqual([offered.protocol, ofType(offered, 'hello')[0].user], ['tidings.v1', '에밀']);
    const wrong = await until('closed', seenBy(page, 'wrong'), ({ code }) => code !== undefined);
    assert.deepEqual([wrong.code, wrong.events.map(({ code }) => code)], [4021, ['unauthorized']]);

    const say = (command) => page.evaluate((command) => window.late.send(JSON.stringify(command)), command);
    const answer = (id) => until(`answer ${id}`, seenBy(page, 'late'), (seen) => seen.events.some((event) => event.id === id))
      .then((seen) => seen.events.find((event) => event.id === id));
    await page.evaluate((url) => window.talk('late', url, 'tidings.v1'), `${server.replace('http', 'ws')}/channels`);
    const [hello] = ofType(await until('hello', seenBy(page, 'late'), (seen) => ofType(seen, 'hello').length === 1), 'hello');
    assert.equal(hello.user, undefined);
    await say({ type: 'subscribe', id: 1, channel: 'ws', after: 'earliest' });
    assert.deepEqual(['error', 'unauthorized'], [(await answer(1)).type, (await answer(1)).code]);
    await say({ type: 'auth', id: 2, token, session: ofType(offered, 'hello')[0].session });
    const ack = await answer(2);
    assert.deepEqual([ack.type, ack.user, ack.client], ['ack', '에밀', ofType(offered, 'hello')[0].client]);
    assert.ok(ack.session && ack.expires);
    await say({ type: 'subscribe', id: 3, channel: 'ws', after: 'earliest' });
    assert.equal((await answer(3)).type, 'subscribed');
    await say({ type: 'publish', id: 4, channel: 'ws', data: '나중' });
    assert.equal((await answer(4)).offset, 2);
    const late = await until('both', seenBy(page, 'late'), (seen) => offsets(seen).length === 2);
    assert.deepEqual(ofType(late, 'message')[1].from, { client: ack.client, user: '에밀' });
    await say({ type: 'auth', id: 5, token: await keyed.token('another') });
    assert.equal((await answer(5)).code, 'forbidden', 'a connection stays one user\'s');
  });

  test('a right that is lost ends its channel, and the others go on', async () => {
    const page = await pageOf(app.origin());
    const wide = await keyed.token('finn', { subscribe: ['right:*', 'left'] });
    const ticket = await ticketFor(page, wide);
    const both = '/channels?name=right:a&name=left';
    await page.evaluate(([sse, websocket, token]) => {
      window.follow('sse', sse);
      window.talk('websocket', websocket, ['tidings.v1', `bearer.${token}`]);
    }, [`${server}${both}&ticket=${ticket}`, `${server.replace('http', 'ws')}${both}`, wide]);
    const greeted = (name) => until('hello', seenBy(page, name), (seen) => ofType(seen, 'hello').length === 1).then((seen) => ofType(seen, 'hello')[0]);
    const narrow = await keyed.token('finn', { subscribe: ['left'] });
    const headers = { Authorization: `Bearer ${narrow}`, 'Content-Type': 'application/json' };
    for (const name of ['sse', 'websocket']) {
      const options = { method: 'POST', headers, body: JSON.stringify({ session: (await greeted(name)).session }) };
      assert.equal((await page.evaluate(([url, options]) => window.ask(url, options), [`${server}/session`, options])).status, 200);
      const lost = await until('unsubscribed', seenBy(page, name), (seen) => ofType(seen, 'unsubscribed').length === 1);
      const [{ channel, reason }] = ofType(lost, 'unsubscribed');
      assert.deepEqual([channel, reason], ['right:a', 'forbidden'], name);
    }
    await keyed.server.publish('right:a', SECRET);
    await keyed.server.publish('left', '남은 것');
    for (const name of ['sse', 'websocket']) {
      const seen = await until('a message', seenBy(page, name), (seen) => offsets(seen).length > 0);
      assert.deepEqual(ofType(seen, 'message').map(({ data }) => data), ['남은 것'], name);
    }
    // The rules change for everybody: nobody but backends may read any more.
    await keyed.reload('[may]\nsubscribe = "backend"\n');
    const sse = await until('closed', seenBy(page, 'sse'), ({ state }) => state === 2);
    assert.deepEqual(ofType(sse, 'unsubscribed').map(({ channel }) => channel), ['right:a', 'left']);
    assert.equal(ofType(sse, 'error')[0].code, 'forbidden');
    const socket = await until('unsubscribed', seenBy(page, 'websocket'), (seen) => ofType(seen, 'unsubscribed').length === 2);
    assert.equal(ofType(socket, 'unsubscribed')[1].channel, 'left');
    await keyed.reload('');
    await until('open again', () => page.evaluate(([url, token]) => window.ask(url, { headers: { Authorization: `Bearer ${token}` } }), [url('left'), narrow]),
      ({ status }) => status === 200);
  });
});
