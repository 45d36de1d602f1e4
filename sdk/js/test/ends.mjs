// A process with a client: reads a message, closes, and prints how long it took to end after that.

import { writeSync } from 'node:fs';

import { client, data, note, until } from './running.mjs';

const [, , origin, rung] = process.argv;
const tidings = client({ origin }, rung);
const channel = tidings.channel(`ends:${process.pid}`, { presence: true, join: true });
const got = note(channel);
await channel.ready();
await channel.publish('hello');
await until(() => got.length);
// An ephemeral one, a request and a listener that are under way.
channel.publish('late', { ephemeral: true }).catch(() => {});
tidings.peer(tidings.client).request('nothing').catch(() => {});
tidings.close();
const closed = performance.now();
process.on('exit', () => writeSync(1, JSON.stringify({ data: data(got), ms: performance.now() - closed })));
