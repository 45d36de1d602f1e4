// The client: channels, what is read of them, what is published, and one connection under all of it.

import { Channel } from "./channel.ts";
import { Emitter } from "./emitter.ts";
import { TidingsError, asError } from "./errors.ts";
import type { Answer, ErrorFrame, Frame } from "./frames.ts";
import { Http } from "./http.ts";
import { Peer } from "./inbox.ts";
import { Link, type Host, type Memory } from "./link.ts";
import { watchPage } from "./page.ts";
import { Place, type Consumer } from "./places.ts";
import { Publisher } from "./publisher.ts";
import type { Connection, Transport } from "./transport.ts";
import type { Cancel, ChannelOptions, ClientEvents, Events, Member, Options, PublishOptions, Receipt, State, StateChange, TransportName } from "./types.ts";

/** What is there at a moment, and the place from which to read on. */
export interface MemberList {
  clients: Member[];
  count: number;
  cursor: string;
}

export interface CoreOptions extends Omit<Options, "transports" | "tabs" | "persist"> {
  transports: readonly Transport[];
  memory?: Memory | undefined;
}

export class Tidings {
  readonly options: Omit<Options, "transports">;
  readonly #http: Http;
  readonly #link: Link;
  readonly #publisher: Publisher;
  readonly #emitter = new Emitter();
  readonly #places = new Map<string, Place>();
  readonly #channels = new Map<string, Channel<never>>();
  readonly #unwatch: () => void;
  #state: StateChange = { state: "idle", transport: null };
  #connection: Connection | undefined;
  #closed = false;

  /** `url` is the server's, with a path prefix if it has one; in a page it may be relative. It connects when a channel is listened to. */
  constructor(url: string | URL, { transports, memory, ...options }: CoreOptions) {
    this.options = options;
    this.#http = new Http(url, options);
    this.#publisher = new Publisher(this.#http, () => this.#places.size > 0);
    const host: Host = {
      asks: () => [...this.#places.values()].map((place) => place.ask()),
      frame: (frame) => this.#take(frame),
      connected: (connection) => {
        this.#connection = connection;
        this.#publisher.use(connection);
      },
      state: (change) => this.#tell(change),
      moved: (move) => void this.#emitter.emit("$move", move),
      refused: (error) => this.#refused(error),
    };
    this.#link = new Link(this.#http, host, transports, memory);
    this.#unwatch = watchPage(this.#link, () => !this.#closed && this.#places.size > 0);
  }

  get state(): State {
    return this.#state.state;
  }

  /** The rung in use or tried; null where there is no connection. */
  get transport(): TransportName | null {
    return this.#state.transport;
  }

  /** This client's public id, once the server has given one. */
  get client(): string | undefined {
    return this.#http.client;
  }

  /** The channel of this name, the same object each time; `options` count the first time. */
  channel<E extends object = Events>(name: string, options: ChannelOptions = {}): Channel<E> {
    let channel = this.#channels.get(name);
    if (!channel) this.#channels.set(name, (channel = new Channel<never>(this, name, options)));
    return channel as unknown as Channel<E>;
  }

  /** All clients of a user. */
  user(name: string): Peer {
    return new Peer(this, `@${name}`);
  }

  /** One client, by its public id. */
  peer(client: string): Peer {
    return new Peer(this, `~${client}`);
  }

  /** Listens to `$state`, `$move`, `$failed`. Gives what removes the listener. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void, { signal }: Cancel = {}): () => void {
    return this.#emitter.add(name, listener, signal);
  }

  /** Publishes a message: anything that JSON holds, or bytes. */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Receipt> {
    if (this.#closed) return Promise.reject(new TidingsError("closed", "this client is closed"));
    return this.#publisher.publish(channel, data, options);
  }

  /** Tries now: after it has failed, or instead of waiting. */
  connect(): void {
    this.#closed = false;
    if (!this.#places.size) return;
    this.#link.start();
    this.#link.refresh();
  }

  /** Ends the connection and refuses what waits. Listeners stay, for `connect()`. */
  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#link.stop(true);
    this.#publisher.fail(new TidingsError("closed", "the client was closed"));
    this.#tell({ state: "closed", transport: null });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** The members of a channel. */
  members(channel: string, signal?: AbortSignal): Promise<MemberList> {
    return this.#http.json(this.#http.url("presence", [["name", channel]]), { signal });
  }

  /** Begins to read a channel for a consumer. For `Channel`. */
  attach(name: string, consumer: Consumer, start: ChannelOptions): Place {
    let place = this.#places.get(name);
    if (place) {
      place.consumers.add(consumer);
      return place;
    }
    this.#places.set(name, (place = new Place(name, start)));
    place.consumers.add(consumer);
    if (!this.#closed) this.#link.changed([place.ask()], []);
    return place;
  }

  /** Ends it. */
  detach(name: string, consumer: Consumer): void {
    const place = this.#places.get(name);
    if (!place?.consumers.delete(consumer) || place.consumers.size) return;
    this.#places.delete(name);
    if (!this.#closed) this.#link.changed([], [name]);
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case "hello":
        this.#http.known(frame);
        for (const [channel, place] of Object.entries(frame.channels)) this.#give({ type: "subscribed", channel, ...place });
        return;
      case "ack":
      case "error":
        return this.#answered(frame);
      case "expiring":
        return void this.#renew();
      case "unsubscribed":
        if (frame.reason !== undefined) this.#end(frame.channel, new TidingsError(frame.reason, `${frame.channel} may no longer be read`));
        return;
      case "closed":
        return this.#end(frame.channel);
      case "cursor":
        for (const name of frame.names) this.#give({ ...frame, type: "cursor" }, name);
        return;
      case "message":
      case "gap":
      case "skip":
      case "subscribed":
        return this.#give(frame);
    }
  }

  /** Hands a frame of a channel to who reads it. */
  #give(frame: Frame, name = (frame as { channel: string }).channel): void {
    const place = this.#place(name);
    if (!place) return;
    const before = place.after;
    const frames = place.accept(frame);
    for (const consumer of [...place.consumers]) {
      if (before === undefined && place.after !== undefined) consumer.deliver({ type: "subscribed", channel: name, epoch: "", offset: 0 });
      for (const each of frames) consumer.deliver(each);
    }
  }

  #answered(frame: Answer | ErrorFrame): void {
    if (this.#publisher.answer(frame)) return;
    if (frame.type === "ack") return this.#http.known(frame);
    const { channel, code, message, temporary, retry_ms } = frame;
    if (channel === undefined) return;
    if (!temporary) return this.#end(channel, new TidingsError(code, message));
    setTimeout(() => {
      const place = this.#places.get(channel);
      if (place && !this.#closed) this.#link.changed([place.ask()], []);
    }, retry_ms ?? 1_000);
  }

  /** Where the reader stands on a channel. The server calls one's own inboxes, `@` and `~`, by their whole names. */
  #place(name: string): Place | undefined {
    return this.#places.get(name) ?? (/^[@~]/.test(name) ? this.#places.get(name[0] as string) : undefined);
  }

  /** A channel is read no more. */
  #end(name: string, error?: TidingsError): void {
    const place = this.#place(name);
    if (!place) return;
    this.#places.delete(place.name);
    for (const consumer of place.consumers) consumer.deliver({ type: "closed", channel: name, ...(error && { error }) });
    this.#link.changed([], []);
  }

  async #renew(): Promise<void> {
    if (!this.#http.renew()) return;
    try {
      const token = await this.#http.token();
      const { session } = this.#http;
      if (this.#connection?.send) this.#connection.send({ type: "auth", id: "auth", token, session });
      else this.#http.known(await this.#http.json(this.#http.url("session"), { method: "POST", body: { session } }));
    } catch {
      // Why there is none shows when this one has ended.
    }
  }

  #refused(error: TidingsError): boolean {
    const { channels } = error;
    if (channels?.some((name) => this.#place(name))) {
      for (const name of channels) this.#end(name, error);
      return this.#places.size > 0;
    }
    this.#publisher.fail(error);
    this.#tell({ state: "closed", transport: null, reason: asError(error).message });
    this.#emitter.emit("$failed", error);
    return false;
  }

  #tell(change: StateChange): void {
    this.#state = change;
    this.#emitter.emit("$state", change);
    for (const channel of this.#channels.values()) channel.deliver({ type: "state", ...change } as never);
  }
}
