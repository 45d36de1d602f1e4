// A channel as an application has it: listeners, messages one after another, publishing, who is there. What comes over the wire and
// where the reader stands is the client's.

import type { Tidings } from "./client.ts";
import { Emitter } from "./emitter.ts";
import { TidingsError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import { unwrapped } from "./inbox.ts";
import type { Consumer, Place } from "./places.ts";
import { Presence } from "./presence.ts";
import type { AnyMessage, Cancel, ChannelEvents, ChannelOptions, Closed, Events, Member, Message, PublishOptions, Receipt } from "./types.ts";

export class Channel<E extends object = Events> implements Consumer, AsyncIterable<AnyMessage<E>> {
  readonly name: string;
  readonly options: ChannelOptions;
  readonly #tidings: Tidings;
  readonly #emitter = new Emitter();
  #place: Place | undefined;
  #presence: Presence | undefined;

  /** Made by `tidings.channel(name)`. */
  constructor(tidings: Tidings, name: string, options: ChannelOptions) {
    this.#tidings = tidings;
    this.name = name;
    this.options = options;
    this.#emitter.emptied = () => this.#settle();
  }

  /** The cursor of what came last: what `after` takes. Undefined until the server was heard. */
  get cursor(): string | undefined {
    return this.#place?.after;
  }

  /**
   * Calls back for messages with this event name, or `$message` (any), `$gap`, `$skip`, `$closed`, `$state`, `$presence`, `$join`, `$leave`;
   * `message` is for those without a name. The first listener begins the reading, the last one that goes ends it. Gives what removes it.
   */
  on<Name extends keyof ChannelEvents<E>>(name: Name, listener: (value: ChannelEvents<E>[Name]) => void, options?: Cancel): () => void;
  on<Event extends keyof E & string>(event: Event, listener: (message: Message<E[Event], Event>) => void, options?: Cancel): () => void;
  on(name: string, listener: (value: never) => void, { signal }: Cancel = {}): () => void {
    const remove = this.#emitter.add(name, listener, signal);
    this.#settle();
    return remove;
  }

  /** The messages, one after another. Reading ends with the loop. Throws `too_slow` if `buffer` messages wait for it, and what the client fails with. */
  async *messages({ signal }: Cancel = {}): AsyncGenerator<AnyMessage<E>, void, undefined> {
    const { buffer = 1_024 } = this.#tidings.options;
    const waiting: AnyMessage<E>[] = [];
    const stop = new AbortController();
    const listening = { signal: stop.signal };
    let ended: { error?: unknown } | undefined;
    let wake = (): void => {};
    const end = (error?: unknown): void => {
      ended ??= { error };
      wake();
    };
    const abort = (): void => end(signal?.reason);
    if (signal?.aborted) throw signal.reason;
    signal?.addEventListener("abort", abort);
    this.on("$closed", ({ error }) => end(error), listening);
    this.#tidings.on("$failed", end, listening);
    this.on("$message", (message) => {
      if (ended) return;
      if (waiting.push(message) > buffer) end(new TidingsError("too_slow", `${buffer} messages wait to be taken: take them sooner, or raise \`buffer\``));
      wake();
    }, listening);
    try {
      for (;;) {
        const message = waiting.shift();
        if (message) yield message;
        else if (!ended) await new Promise<void>((resolve) => (wake = resolve));
        else if (ended.error !== undefined) throw ended.error;
        else return;
      }
    } finally {
      stop.abort();
      signal?.removeEventListener("abort", abort);
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<AnyMessage<E>, void, undefined> {
    return this.messages();
  }

  /** Waits until the server reads the channel for this client: what is published from then on comes. */
  ready({ signal }: Cancel = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      const listening = { signal: stop.signal };
      const settle = (act: () => void) => (): void => {
        stop.abort();
        signal?.removeEventListener("abort", abort);
        act();
      };
      const abort = settle(() => reject(signal?.reason));
      this.on("$closed", ({ error }) => settle(() => reject(error ?? new TidingsError("channel_closed", `${this.name} has ended`)))(), listening);
      this.#tidings.on("$failed", (error) => settle(() => reject(error))(), listening);
      signal?.addEventListener("abort", abort);
      const ready = settle(resolve);
      this.#emitter.add("$ready", ready, stop.signal);
      if (signal?.aborted) abort();
      else if (this.#place?.after !== undefined) ready();
    });
  }

  /** Publishes a message: anything that JSON holds, or bytes. Resolves once the server holds it; while away it waits in a queue. */
  publish<Event extends keyof E & string>(data: E[Event], options: PublishOptions<Event> & { event: Event }): Promise<Receipt>;
  publish(data: "message" extends keyof E ? E["message"] : unknown, options?: Omit<PublishOptions, "event">): Promise<Receipt>;
  publish(data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.#tidings.publish(this.name, data, options);
  }

  /** Who is there now. With `presence: true` it is what `$presence` told last, else the server is asked. */
  async presence({ signal }: Cancel = {}): Promise<readonly Member[]> {
    return this.#presence?.members ?? (await this.#tidings.members(this.name, signal)).clients;
  }

  /** Ends the reading. The next listener begins it anew. */
  close(): void {
    this.#leave();
    this.#emitter.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Takes what came. For the client. */
  deliver(frame: Frame): void {
    if (frame.type === "message") {
      const message = unwrapped(this.#tidings, frame);
      const { event = "message" } = message;
      // What an application listens to by `$` is not of the wire.
      if (event[0] !== "$") this.#emitter.emit(event, message);
      this.#emitter.emit("$message", message);
    } else if (frame.type === "closed") {
      this.#place = undefined;
      this.#leave();
      this.#emitter.emit("$closed", frame satisfies Closed);
    } else this.#emitter.emit(frame.type === "subscribed" ? "$ready" : `$${frame.type}`, frame);
  }

  /** Begins or ends the reading, as there are listeners. */
  #settle(): void {
    if (!this.#emitter.count) return this.#leave();
    if (this.#place) return;
    this.#place = this.#tidings.attach(this.name, this, this.options);
    if (this.options.presence) this.#presence = new Presence(this.#tidings, this.name, (name, value) => this.#emitter.emit(name, value));
  }

  #leave(): void {
    this.#presence?.close();
    this.#presence = undefined;
    if (!this.#place) return;
    this.#place = undefined;
    this.#tidings.detach(this.name, this);
  }
}
