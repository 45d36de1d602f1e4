// The whole client.

import { Tidings as Core } from "./client.ts";
import type { Extension } from "./engine.ts";
import { Peer } from "./inbox.ts";
import { memory } from "./memory.ts";
import { page } from "./page.ts";
import { persistence } from "./persistence.ts";
import { posting } from "./posting.ts";
import { Room } from "./room.ts";
import { tabs } from "./tabs.ts";
import type { Transport } from "./transport.ts";
import { longPoll, poll } from "./transports/polling.ts";
import { sse, ssePost } from "./transports/stream.ts";
import { websocket } from "./transports/websocket.ts";
import type { ChannelOptions, Events, Options, TransportName } from "./types.ts";

const ladder: readonly Transport[] = [websocket, sse, ssePost, longPoll, poll];

function transport(name: TransportName): Transport {
  const found = ladder.find((each) => each.name === name);
  if (!found) throw new TypeError(`there is no transport ${name}: use ${ladder.map((each) => each.name).join(", ")}`);
  return found;
}

/**
 * A client of one Tidings server.
 *
 * ```js
 * const tidings = new Tidings("https://realtime.example", { token: () => fetch("/token").then((answer) => answer.text()) });
 * for await (const { data } of tidings.channel("room:7")) console.log(data);
 * ```
 */
export class Tidings extends Core {
  constructor(url: string | URL, { transports, tabs: shared = true, persist, ...options }: Options = {}) {
    const extensions: Extension[] = [page, posting, memory(String(url))];
    if (persist) extensions.push(persistence(String(url), persist));
    if (shared) extensions.push(tabs);
    super(url, { ...options, transports: transports?.map(transport) ?? ladder, extensions });
  }

  override channel<E extends object = Events>(name: string, options?: ChannelOptions): Room<E> {
    return super.channel<E>(name, options) as Room<E>;
  }

  /** All clients of a user. */
  user(name: string): Peer {
    return new Peer(this.engine, `@${name}`, this.channel("~"));
  }

  /** One client, by its public id. */
  peer(client: string): Peer {
    return new Peer(this.engine, `~${client}`, this.channel("~"));
  }

  /** @internal */
  protected override make(name: string, options: ChannelOptions): Room {
    return new Room(this.engine, name, options);
  }
}

export { Room } from "./room.ts";
export { TidingsError } from "./errors.ts";
export { Peer, type RequestOptions } from "./inbox.ts";
export type * from "./types.ts";
