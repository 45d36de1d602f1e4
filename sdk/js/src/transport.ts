// What the ways of reading have in common.

import type { End } from "./connector.ts";
import type { Extension } from "./engine.ts";
import type { TidingsError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import type { Http } from "./http.ts";
import type { TransportName } from "./types.ts";

/** A channel and where to go on with it. */
export interface Ask {
  name: string;
  after?: string | undefined;
  last?: number | undefined;
  /** Present where the reader is a member. */
  join?: true | undefined;
  info?: unknown;
}

/** What a connection tells. Nothing after `end`. */
export interface Sink {
  /** What is to be read, now. */
  asks(): Ask[];
  frame(frame: Frame): void;
  /** `end` is the transport's view, without its history: `lost` for any break. */
  end(end: End | "final" | "done", error?: TidingsError): void;
}

export interface Connection {
  /** Reads something else from now on; without it another connection has to be opened. */
  change?(added: Ask[], removed: string[]): void;
  /** Sends a command, which is answered by frames with its `id`; without it commands go by POST. */
  send?(command: object): void;
  /** Shows another token. */
  renew?(token: string | undefined): unknown;
  /** Ends it. Not `last`: the same client goes on elsewhere. */
  close(last: boolean): void;
}

export interface Transport {
  readonly name: TransportName | "tab";
  /** Whether the runtime has what it needs. */
  usable(http: Http): boolean;
  /** What a client needs that uses it. */
  readonly needs?: Extension;
  open(http: Http, sink: Sink): Connection;
}
