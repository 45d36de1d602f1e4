// What is published: in order, each message until it is answered, over the connection if it takes commands, else as `posting.ts` does.

import { TidingsError, refusalOf } from "./errors.ts";
import { toBase64, type Answer, type ErrorFrame } from "./frames.ts";
import type { Http } from "./http.ts";
import { whenAborted } from "./signals.ts";
import type { Connection } from "./transport.ts";
import type { PublishOptions, Receipt } from "./types.ts";

/** Larger ones are not for a command (PROTOCOL.md section 6). */
const COMMAND_CHARACTERS = 60_000;

/** A message as it stands on the wire. */
export interface Outgoing {
  channel: string;
  event?: string;
  data?: unknown;
  encoding?: string;
  ephemeral?: boolean;
  key?: string;
  echo?: boolean;
}

export interface Item {
  id: string;
  message: Outgoing;
  large: boolean;
  /** How often it was sent without an answer, and when first. */
  sends: number;
  since: number;
  /** Where it was sent last. */
  over: object | undefined;
  settle(receipt: Receipt): void;
  refuse(error: unknown): void;
}

/** A random name: 96 bits. `randomUUID` exists in secure contexts only. */
export const randomId = (): string => Array.from(crypto.getRandomValues(new Uint32Array(3)), (word) => word.toString(36)).join("-");

export class Publisher {
  #http: Http;
  readonly items: Item[] = [];
  #connection: Connection | undefined;
  /** Whether a connection is coming, so that it is worth waiting for. */
  #awaits: () => boolean;
  /** Something was refused for now: nothing is sent before this time, so that nothing overtakes it. 0: nothing was. */
  held = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Publishes the first of what waits otherwise than as commands. */
  post: (() => void) | undefined;

  /** Sees what is published before it is queued; what it gives is called if it is not published. */
  outgoing: ((message: Outgoing) => (() => void) | void) | undefined;

  constructor(http: Http, awaits: () => boolean) {
    this.#http = http;
    this.#awaits = awaits;
  }

  /** Resolves once the server holds the message. */
  publish(channel: string, data: unknown, { signal, ephemeral, echo, key, ...rest }: PublishOptions = {}): Promise<Receipt> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data instanceof Uint8Array ? data : undefined;
    const message: Outgoing = {
      channel,
      ...rest,
      ...(bytes ? { encoding: "base64", data: toBase64(bytes) } : { data: data ?? null }),
      ...(ephemeral ? { ephemeral } : { key: key ?? randomId() }),
      ...(echo === false ? { echo } : {}),
    };
    const undo = this.outgoing?.(message);
    const sent = this.enqueue(message, signal);
    if (undo) sent.then(({ dropped }) => dropped && undo(), undo);
    return sent;
  }

  /** Publishes a message that is ready for the wire. */
  enqueue(message: Outgoing, signal?: AbortSignal): Promise<Receipt> {
    const { queue = 1_000 } = this.#http.options;
    const { channel, ephemeral } = message;
    if (ephemeral && !this.#connection && this.#awaits()) return Promise.resolve({ channel, dropped: true });
    if (this.items.length >= queue) return Promise.reject(new TidingsError("queue_full", `${queue} messages wait already: wait for their answers`, true));
    return new Promise((resolve, reject) => {
      const done = <Value>(act: (value: Value) => void) => (value: Value): void => {
        forget();
        const at = this.items.indexOf(item);
        if (at >= 0) this.items.splice(at, 1);
        act(value);
      };
      const item: Item = {
        id: randomId(), message, sends: 0, since: 0, over: undefined,
        large: JSON.stringify(message).length > COMMAND_CHARACTERS,
        settle: done(resolve),
        refuse: done(reject),
      };
      const forget = whenAborted((reason) => item.refuse(reason), signal);
      this.items.push(item);
      this.pump();
    });
  }

  /** Where messages go from now on. */
  use(connection: Connection | undefined): void {
    if (connection === this.#connection) return;
    this.#connection = connection;
    for (const item of [...this.items]) {
      // It cannot be known whether it came through, and it must not come twice.
      if (item.message.ephemeral && item.over) item.settle({ channel: item.message.channel, dropped: true });
    }
    this.pump();
  }

  /** Refuses all that waits. */
  fail(error: TidingsError): void {
    this.held = 0;
    for (const item of [...this.items]) item.refuse(error);
    this.#plan();
  }

  /** The answer to a command; false if it is to none of these. */
  answer(frame: Answer | ErrorFrame): boolean {
    const item = this.items.find(({ id }) => id === frame.id);
    if (!item) return false;
    if (frame.type === "ack") {
      const { type: _, id: __, ...receipt } = frame;
      item.settle(receipt as Receipt);
    } else {
      const error = refusalOf(frame);
      if (!error.temporary || item.message.ephemeral) item.refuse(error);
      else this.hold([item], error, 1_000);
    }
    this.pump();
    return true;
  }

  /** These were refused for now: they are sent again after a while, and all that is not answered after them. */
  hold(items: Item[], { code, retryAfter }: TidingsError, ms: number): void {
    this.held = Math.max(this.held, Date.now() + (retryAfter ?? ms));
    // Only of this refusal it is known that it was not published.
    if (code === "too_many_requests") for (const item of items) if (!--item.sends) item.since = 0;
  }

  /** Sends what can be sent. */
  pump(): void {
    const now = Date.now();
    if (this.held && now >= this.held) {
      this.held = 0;
      for (const item of this.items) if (!item.message.ephemeral) item.over = undefined;
    }
    for (const item of [...this.items]) {
      // The server forgets keys: sending it again could publish it twice.
      if (item.since && now >= item.since + this.#http.timings.keyTime) item.refuse(new TidingsError("unknown_outcome", "it was sent and not answered: it may have been published or not"));
    }
    const connection = this.#connection;
    if (connection?.send) this.#send(connection);
    else if (connection || !this.#awaits()) this.#post(this.items);
    this.#plan();
  }

  /** Goes on when something is to be sent again, or has waited too long for its answer. */
  #plan(): void {
    clearTimeout(this.#timer);
    const times = this.items.filter(({ since }) => since).map(({ since }) => since + this.#http.timings.keyTime);
    if (this.held && this.items.length) times.push(this.held);
    if (times.length) this.#timer = setTimeout(() => this.pump(), Math.min(...times) - Date.now());
  }

  #post(items: Item[]): void {
    if (this.post) this.post();
    else for (const item of [...items]) item.refuse(new TidingsError("no_posting", "no connection takes it: read a channel, publish less, or add the extension `posting`"));
  }

  /** As commands. */
  #send(connection: Connection): void {
    for (const item of [...this.items]) {
      if (item.over === connection || (this.held && !item.message.ephemeral)) continue;
      if (item.large) {
        // In its turn: when all before it are answered.
        if (item === this.items[0]) this.#post([item]);
        if (this.items.includes(item)) return;
        continue;
      }
      this.sent(item, connection);
      connection.send?.({ type: "publish", id: item.id, ...item.message });
    }
  }

  /** It is on its way. */
  sent(item: Item, over: object): void {
    item.since ||= Date.now();
    item.sends++;
    item.over = over;
  }
}
