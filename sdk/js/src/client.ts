// The client as an application has it, without what it can do without: `index.ts` adds that.

import { Channel } from "./channel.ts";
import { Engine, type Extension } from "./engine.ts";
import { TidingsError } from "./errors.ts";
import type { Transport } from "./transport.ts";
import type { Cancel, ChannelOptions, ClientEvents, Events, Options, PublishOptions, Receipt, State, StateChange } from "./types.ts";

export interface CoreOptions extends Omit<Options, "transports" | "tabs" | "persist"> {
  transports: readonly Transport[];
  extensions?: readonly Extension[];
}

export class Tidings {
  /** @internal */
  protected readonly engine: Engine;
  readonly #channels = new Map<string, Channel<never>>();

  /** `url` is the server's, with a path prefix if it has one; in a page it may be relative. It connects when a channel is listened to. */
  constructor(url: string | URL, { transports, extensions = [], ...options }: CoreOptions) {
    this.engine = new Engine(url, transports, options, extensions);
  }

  get state(): State {
    return this.engine.state.state;
  }

  /** The rung in use or tried; `tab` is another tab's connection, null none. */
  get transport(): StateChange["transport"] {
    return this.engine.state.transport;
  }

  /** This client's public id, once the server has given one. */
  get client(): string | undefined {
    return this.engine.http.client;
  }

  /** The channel of this name, the same object each time; `options` count the first time. */
  channel<E extends object = Events>(name: string, options: ChannelOptions = {}): Channel<E> {
    let channel = this.#channels.get(name);
    // What no server would take would end the other channels of a stream, too.
    if (typeof name !== "string" || !name || /[\s\p{Cc}]/u.test(name)) throw new TypeError(`${JSON.stringify(name)} is no channel's name: one has 1 to 255 bytes, without white space`);
    JSON.stringify(options);
    if (!channel) this.#channels.set(name, (channel = this.make(name, options) as unknown as Channel<never>));
    return channel as unknown as Channel<E>;
  }

  /** @internal */
  protected make(name: string, options: ChannelOptions): Channel {
    return new Channel(this.engine, name, options);
  }

  /** Listens to `$state`, `$move`, `$failed`. Gives what removes the listener. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void, { signal }: Cancel = {}): () => void {
    return this.engine.emitter.add(name, listener, signal);
  }

  /** Publishes a message: anything that JSON holds, or bytes. */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.engine.publisher.publish(channel, data, options);
  }

  /** Tries now: after it was closed or has failed, or instead of waiting. */
  connect(): void {
    this.engine.connect();
  }

  /** Ends the connection and refuses what waits. Listeners stay, for `connect()`. */
  close(): void {
    this.engine.close(new TidingsError("closed", "the client was closed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
