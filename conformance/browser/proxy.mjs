// A TCP proxy that cuts: what lies between a browser and a server when a network fails.

import { once } from 'node:events';
import net from 'node:net';

export class CuttingProxy {
  #server;
  #pairs = new Set();
  /** Everything that clients sent, one text per connection. */
  sent = [];
  /** Everything that the server said, likewise. */
  answered = [];

  static async start(port) {
    const proxy = new CuttingProxy();
    proxy.#server = net.createServer((client) => proxy.#relay(client, port));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get origin() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Destroys every connection, in the middle of whatever it carries. */
  cut() {
    for (const pair of this.#pairs) pair.forEach((socket) => socket.destroy());
  }

  async stop() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #relay(client, port) {
    const server = net.connect(port, '127.0.0.1');
    const pair = [client, server];
    this.#pairs.add(pair);
    const index = this.sent.push('') - 1;
    this.answered[index] = '';
    client.on('data', (chunk) => (this.sent[index] += chunk.toString('latin1')));
    server.on('data', (chunk) => (this.answered[index] += chunk.toString('latin1')));
    client.pipe(server).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        pair.forEach((other) => other.destroy());
      });
    }
  }
}
