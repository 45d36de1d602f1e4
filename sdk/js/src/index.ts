// The whole client.

import { Tidings as Core } from "./client.ts";
import { rungMemory } from "./memory.ts";
import { timings } from "./timings.ts";
import type { Transport } from "./transport.ts";
import { longPoll, poll } from "./transports/polling.ts";
import { sse, ssePost } from "./transports/stream.ts";
import { websocket } from "./transports/websocket.ts";
import type { Options, TransportName } from "./types.ts";

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
  constructor(url: string | URL, { transports, tabs, persist, ...options }: Options = {}) {
    super(url, {
      ...options,
      transports: transports ? transports.map(transport) : ladder,
      memory: transports ? undefined : rungMemory(String(url), options.timings?.remember ?? timings.remember),
    });
  }
}

export { Channel } from "./channel.ts";
export { TidingsError } from "./errors.ts";
export { Peer, type RequestOptions } from "./inbox.ts";
export type { MemberList } from "./client.ts";
export type * from "./types.ts";
