// What an application sees: messages, events, options. It holds no code.

import type { TidingsError } from "./errors.ts";

/** The rungs of the ladder, best first. */
export type TransportName = "websocket" | "sse" | "sse-post" | "long-poll" | "poll";

/** `open`: the server is heard. `waiting`: another attempt follows. `closed`: none does, until `connect()`. */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

/** Why a rung was left. `mute`: nothing came over it in time, while the server answered elsewhere (a proxy that buffers). */
export type MoveReason = "unavailable" | "blocked" | "broken" | "mute" | "cut" | "silent" | "climbed";

/** Why messages are lost (PROTOCOL.md section 3). `unknown`: there is a hole that the server did not tell. */
export type GapReason = "expired" | "epoch_changed" | "forgotten" | "unknown_cursor" | "too_slow" | "broker_loss" | "unknown";

/** Who published, as the server stamped it. */
export interface Sender {
  readonly client?: string;
  readonly user?: string;
}

/** One message. Without `epoch` and `offset` it is ephemeral. Bytes come as a `Uint8Array`. */
export interface Message<Data = unknown, Event extends string = string> {
  readonly type: "message";
  readonly channel: string;
  /** Absent where it was published without one. */
  readonly event?: Event;
  readonly data: Data;
  readonly from?: Sender;
  /** Unix milliseconds. */
  readonly time: number;
  readonly epoch?: string;
  readonly offset?: number;
  /** Answers a request; there only where the message is one. */
  reply?(data: unknown): Promise<Receipt>;
}

/** Messages that are lost to this reader. */
export interface Gap {
  readonly type: "gap";
  readonly channel: string;
  readonly epoch: string;
  /** The first lost offset; null where it cannot be known. */
  readonly from: number | null;
  readonly to: number;
  readonly reason: GapReason;
}

/** Offsets that are not meant for this reader: its own messages, or such that newer ones replace. */
export interface Skip {
  readonly type: "skip";
  readonly channel: string;
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
  readonly reason: "own" | "conflated";
}

/** Nothing more comes on this channel: it has ended (`error` is absent), or may not be read (any longer). */
export interface Closed {
  readonly type: "closed";
  readonly channel: string;
  readonly error?: TidingsError;
}

/** How the connection stands. */
export interface StateChange {
  readonly state: State;
  /** The one in use or tried now; `tab` is the connection of another tab, null none. */
  readonly transport: TransportName | "tab" | null;
  /** Why it is not open, in words. */
  readonly reason?: string;
  /** When the next attempt begins, in milliseconds from now. */
  readonly retryIn?: number;
}

/** The connection went to another rung of the ladder. */
export interface Move {
  readonly from: TransportName | "tab";
  readonly to: TransportName | "tab";
  readonly reason: MoveReason;
}

/** A member of a channel. */
export interface Member<Info = unknown> {
  readonly client: string;
  readonly user?: string;
  readonly info?: Info;
}

/** What the server said of a published message. */
export interface Receipt {
  readonly channel: string;
  /** Absent for an ephemeral message. */
  readonly epoch?: string;
  readonly offset?: number;
  /** How many read the channel now; an estimate. */
  readonly subscribers?: number;
  /** It had been published already, by an earlier attempt. */
  readonly duplicate?: boolean;
  /** An ephemeral message for which there was no connection: it is gone. */
  readonly dropped?: boolean;
}

/** Payloads by event name. `message` is for those without a name. */
export type Events = Record<string, unknown>;

/** Any message of a channel with these events. */
export type AnyMessage<E> = { [K in keyof E & string]: Message<E[K], K> }[keyof E & string];

/** What a channel tells besides messages by name. */
export interface ChannelEvents<E = Events> {
  $message: AnyMessage<E>;
  $gap: Gap;
  $skip: Skip;
  $closed: Closed;
  $state: StateChange;
  /** Members after every change; only with `presence: true`. */
  $presence: readonly Member[];
  $join: Member;
  $leave: Member;
}

/** What a client tells. */
export interface ClientEvents {
  $state: StateChange;
  $move: Move;
  /** The client has given up: it was refused for good, or `maxAttempts` have failed. */
  $failed: TidingsError;
}

export interface Cancel {
  signal?: AbortSignal | undefined;
}

export interface PublishOptions<Event extends string = string> extends Cancel {
  /** At most 128 bytes, not beginning with `$`. */
  event?: Event;
  /** Only for who reads now; not retained, never sent twice, dropped while there is no connection. */
  ephemeral?: boolean;
  /** `false`: not to this client itself. */
  echo?: boolean;
  /** What the message is about, for readers that get only the newest of each topic. */
  topic?: string;
  /** Idempotency key, 1–64 visible ASCII characters. Default: a random one. */
  key?: string;
}

export interface ChannelOptions {
  /** Where to start: with what comes from now on (default), the oldest retained message, or after a cursor. */
  after?: "now" | "earliest" | (string & {}) | undefined;
  /** Start with the newest so many. */
  last?: number | undefined;
  /** Be seen as a member; a value other than `true` is what others see of it, 1 KiB of JSON. */
  join?: unknown;
  /** Keep track of who is there: `$presence`, `$join`, `$leave`. */
  presence?: boolean;
}

/** How long things take, in milliseconds. docs/clients.md says what each is for. */
export interface Timings {
  /** For the server's first frame; later, the rung does not work. */
  firstFrame: number;
  /** For the answer to a request, beyond what it waits. */
  request: number;
  backoffFirst: number;
  backoffMax: number;
  /** A connection that lived so long resets the delays. */
  stable: number;
  climbFirst: number;
  climbMax: number;
  /** How long a long poll waits. */
  wait: number;
  /** Between short polls. */
  pollPause: number;
  /** The longest delay that a server may ask for. */
  hintMax: number;
  /** How long the rung that works is remembered. */
  remember: number;
  /** How long an unanswered message may be sent again. */
  keyTime: number;
  /** For another tab's answer. */
  tabAnswer: number;
}

export interface Options {
  /** Who this is: a token, or whom to ask for one; asked again when it ends. */
  token?: string | (() => string | Promise<string>);
  /** A name that a development server believes. */
  user?: string;
  /** The rungs to use, in their order. Default: all. */
  transports?: readonly TransportName[];
  /** Give up after so many attempts in a row; then `$failed`. Default: never. */
  maxAttempts?: number;
  /** Messages that wait for an answer; more are refused. Default 1,000. */
  queue?: number;
  /** Messages that wait for a slow `for await`. Default 1,024. */
  buffer?: number;
  timings?: Partial<Timings>;
  /** Keeps positions over a reload, in `sessionStorage` or what is given. Default: false. */
  persist?: boolean | Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** One connection for all tabs of a browser, where it can. Default: true in pages. */
  tabs?: boolean;
  /** For requests to another origin with cookies. Default: `same-origin`. */
  credentials?: RequestCredentials;
  /** In place of the runtime's own. */
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
}
