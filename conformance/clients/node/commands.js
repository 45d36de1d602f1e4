// Commands as readers and writers: `tidings sub`, `tidings pub` behind `tail -F`, curl.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

import { BINARY, Journal } from './support.js';

/** `tidings sub --json`: comes back by itself; losses stand between the messages. */
export function followCommand(url, channel, options = []) {
  const journal = new Journal();
  const complaints = [];
  const args = ['sub', channel, '--json', '--url', url, ...options];
  const child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  createInterface({ input: child.stdout }).on('line', (line) => journal.add(JSON.parse(line)));
  createInterface({ input: child.stderr }).on('line', (line) => {
    complaints.push(line);
    if (line.startsWith('connected')) journal.add({ type: 'hello' });
  });
  return { journal, complaints, close: () => ended(child, 'SIGINT') };
}

/** curl in a loop, from cursor to cursor. */
export function followCurl(url, channel, after) {
  const journal = new Journal();
  const reader = { journal, cursor: after, close };
  let child = null;
  let closed = false;
  const looping = loop();

  async function loop() {
    while (!closed) {
      const target = `${url}/channels/${channel}?wait=20&after=${reader.cursor}`;
      child = spawn('curl', ['--silent', '--fail', '--no-buffer', target], { stdio: ['ignore', 'pipe', 'ignore'] });
      const exited = once(child, 'exit');
      // Whole before it is text: a piece may end inside a character.
      const answer = Buffer.concat(await child.stdout.toArray()).toString();
      const [code] = await exited;
      if (code === 0) {
        const { messages, cursor } = JSON.parse(answer);
        reader.cursor = cursor;
        messages.forEach((message) => journal.add(message));
      } else {
        // Nobody answers: the same cursor again, a moment later.
        await pause(100);
      }
    }
  }

  async function close() {
    closed = true;
    child.kill();
    await looping;
  }

  return reader;
}

/** `tail -F FILE | tidings pub CHANNEL`, with its receipts. */
export function publishTail(file, url, channel) {
  const tail = spawn('tail', ['-n', '+1', '-F', file], { stdio: ['ignore', 'pipe', 'ignore'] });
  const args = ['pub', channel, '--url', url, '--receipts', 'json'];
  const pub = spawn(BINARY, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  tail.stdout.pipe(pub.stdin);
  const receipts = [];
  createInterface({ input: pub.stdout }).on('line', (line) => receipts.push(JSON.parse(line)));
  /** Ends tail; the exit code of `tidings pub` once it has published the rest. */
  async function close() {
    const code = once(pub, 'exit');
    tail.kill();
    return (await code)[0];
  }
  /** Ends both at once, whatever is left. */
  function abandon() {
    tail.kill();
    pub.kill('SIGKILL');
  }
  return { receipts, close, abandon };
}

/** Ends a command; its exit code. */
async function ended(child, signal) {
  if (child.exitCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill(signal);
  return (await exited)[0];
}
