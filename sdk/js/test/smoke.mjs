// What every runtime must do: read and publish over each rung that it has, and end. Given the server's origin.

import { Tidings } from '../dist/index.js';

const args = globalThis.Deno ? globalThis.Deno.args : process.argv.slice(2);
const [origin] = args;
const same = (found, expected) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
};

const done = [];
for (const rung of ['websocket', 'sse', 'sse-post', 'long-poll', 'poll']) {
  if (rung === 'websocket' && !globalThis.WebSocket) continue;
  const tidings = new Tidings(origin, { transports: [rung], timings: { pollPause: 50 } });
  const name = `smoke:${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const channel = tidings.channel(name);
  const got = [];
  const all = new Promise((resolve) => channel.on('$message', (message) => got.push(message) === 3 && resolve()));
  await channel.ready();
  await channel.publish({ text: '안녕 🎉' });
  await channel.publish(Uint8Array.from([0, 255]), { event: 'bytes' });
  await channel.publish('x'.repeat(60_000));
  await all;
  same([tidings.transport, got[0].data, [...got[1].data], got[1].event, got[2].data.length], [rung, { text: '안녕 🎉' }, [0, 255], 'bytes', 60_000]);
  // Back from where it stood, without its socket.
  const looped = [];
  for await (const { offset } of new Tidings(origin, { transports: [rung] }).channel(name, { after: 'earliest' })) if (looped.push(offset) === 3) break;
  same(looped, [1, 2, 3]);
  tidings.close();
  done.push(rung);
}
// The process ends by itself: nothing is left.
console.log(done.join(', '));
