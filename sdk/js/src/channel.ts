// A channel as an application has it: listeners, messages one after another, publishing. What comes over the wire and where the reader
// stands is the engine's.

import { Emitter } from "./emitter.ts";
import type { Engine } from "./engine.ts";
import { TidingsError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import type { Consumer, Place } from "./places.ts";
import { whenAborted } from "./signals.ts";
import type { AnyMessage, Cancel, ChannelEvents, ChannelOptions, Closed, Events, Message, PublishOptions, Receipt } from "./types.ts";

export class Channel<E extends object = Events> implements Consumer, AsyncIterable<AnyMessage<E>> {
  readonly name: string;
  readonly options: ChannelOptions;
  /** @internal */
  protected readonly engine: Engine;
  /** @internal */
  protected readonly emitter: Emitter = new Emitter();
  #place: Place | undefined;
  #unlisten: (() => void) | undefined;

  /** Made by `tidings.channel(name)`. */
  constructor(engine: Engine, name: string, options: ChannelOptions) {
    this.engine = engine;
    this.name = name;
    this.options = options;
    this.emitter.emptied = () => {
      if (!this.emitter.count) this.leave();
    };
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
    const remove = this.emitter.add(name, listener, signal);
    if (this.emitter.count && !this.#place) this.enter();
    return remove;
  }

  /** The messages, one after another. Reading ends with the loop. Throws `too_slow` if `buffer` messages wait for it, and what the client ends with (`closed`). */
  async *messages({ signal }: Cancel = {}): AsyncGenerator<AnyMessage<E>, void, undefined> {
    const { http, signal: closed } = this.engine;
    const { buffer = 1_024 } = http.options;
    const waiting: AnyMessage<E>[] = [];
    const stop = new AbortController();
    const listening = { signal: stop.signal };
    let ended: { error?: unknown } | undefined;
    let wake = (): void => {};
    const end = (error?: unknown): void => {
      ended ??= { error };
      wake();
    };
    signal?.throwIfAborted();
    const forget = whenAborted(end, signal, closed);
    this.on("$closed", ({ error }) => end(error), listening);
    this.emitter.add("$end", () => end(), stop.signal);
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
      forget();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<AnyMessage<E>, void, undefined> {
    return this.messages();
  }

  /** Waits until the server reads the channel for this client: what is published from then on comes. */
  ready({ signal }: Cancel = {}): Promise<void> {
    const stop = new AbortController();
    const listening = { signal: stop.signal };
    return new Promise<void>((resolve, reject) => {
      whenAborted(reject, stop.signal, signal, this.engine.signal);
      this.on("$closed", ({ error }) => reject(error ?? new TidingsError("channel_closed", `${this.name} has ended`)), listening);
      this.emitter.add("$end", () => reject(new TidingsError("closed", `${this.name} was closed`)), stop.signal);
      this.emitter.add("$ready", () => resolve(), stop.signal);
      if (this.#place?.after !== undefined) resolve();
    }).finally(() => stop.abort());
  }

  /** Publishes a message: anything that JSON holds, or bytes. Resolves once the server holds it; while away it waits in a queue. */
  publish<Event extends keyof E & string>(data: E[Event], options: PublishOptions<Event> & { event: Event }): Promise<Receipt>;
  publish(data: "message" extends keyof E ? E["message"] : unknown, options?: Omit<PublishOptions, "event">): Promise<Receipt>;
  publish(data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.engine.publisher.publish(this.name, data, options);
  }

  /** Ends the reading, and its loops. The next listener begins it anew. */
  close(): void {
    this.leave();
    this.emitter.emit("$end", undefined);
    this.emitter.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** @internal */
  deliver(frame: Frame): void {
    if (this.engine.hides?.(frame)) return;
    if (frame.type === "message") {
      const { event = "message" } = frame;
      this.emitter.emit(event, frame);
      this.emitter.emit("$message", frame);
    } else if (frame.type === "closed") {
      this.#place = undefined;
      this.leave();
      this.emitter.emit("$closed", frame satisfies Closed);
    } else this.emitter.emit(frame.type === "subscribed" ? "$ready" : `$${frame.type}`, frame);
  }

  /** @internal The reading begins. */
  protected enter(): void {
    this.#place = this.engine.attach(this.name, this, this.options);
    this.#unlisten = this.engine.emitter.add("$state", (change) => this.emitter.emit("$state", change));
  }

  /** @internal The reading ends. */
  protected leave(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    if (!this.#place) return;
    this.#place = undefined;
    this.engine.detach(this.name, this);
  }
}
