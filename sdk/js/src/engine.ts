// What a client is made of: where it stands on its channels, one connection under all of them, what it publishes. An application does not
// see it; extensions do.

import { Emitter } from "./emitter.ts";
import { TidingsError } from "./errors.ts";
import type { Answer, ErrorFrame, Frame } from "./frames.ts";
import { Http } from "./http.ts";
import { Link, type Host } from "./link.ts";
import { Place, type Consumer } from "./places.ts";
import { Publisher } from "./publisher.ts";
import type { Ask, Connection, Transport } from "./transport.ts";
import type { ChannelOptions, Move, Options, StateChange } from "./types.ts";

/** Something that a client can do without, begun with it; the signal ends it. */
export type Extension = (engine: Engine, signal: AbortSignal) => void;

export class Engine implements Host {
  readonly http: Http;
  readonly link: Link;
  readonly publisher: Publisher;
  readonly emitter: Emitter = new Emitter();
  readonly places: Map<string, Place> = new Map();
  readonly transports: readonly Transport[];
  connection: Connection | undefined;
  state: StateChange = { state: "idle", transport: null };
  /** Where a reading starts that nothing else says, by channel: positions that outlived a page. */
  kept: Record<string, string> = {};
  /** Whether a message is not for the application. */
  hides: ((frame: Frame) => boolean) | undefined;
  /** Subscriptions that were refused for now. */
  readonly #retries: Set<ReturnType<typeof setTimeout>> = new Set();
  readonly #extensions: Set<Extension>;
  #stop = new AbortController();

  constructor(url: string | URL, transports: readonly Transport[], options: Options, extensions: readonly Extension[]) {
    this.http = new Http(url, options);
    this.transports = transports;
    this.publisher = new Publisher(this.http, () => this.places.size > 0 && !this.signal.aborted);
    this.link = new Link(this.http, this);
    this.link.use(transports);
    this.#extensions = new Set([...extensions, ...transports.flatMap(({ needs }) => needs ?? [])]);
    this.#begin();
  }

  /** Aborted once the client is closed or was refused for good, with why; another one when it begins again. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  #begin(): void {
    for (const extension of this.#extensions) extension(this, this.signal);
  }

  /** Tries now, whatever was before. */
  connect(): void {
    if (this.signal.aborted) {
      this.#stop = new AbortController();
      this.#begin();
    }
    this.#changed([], []);
    this.link.refresh();
  }

  /** Ends it for this reason. */
  close(error: TidingsError, reason?: string): void {
    if (this.signal.aborted) return;
    this.link.stop(true);
    this.publisher.fail(error);
    this.#stop.abort(error);
    this.tell({ state: "closed", transport: null, ...(reason !== undefined && { reason }) });
  }

  connected(connection: Connection | undefined): void {
    this.connection = connection;
    // Another connection asks for all.
    for (const timer of this.#retries) clearTimeout(timer);
    this.#retries.clear();
    this.publisher.use(connection);
  }

  asks(): Ask[] {
    return this.signal.aborted ? [] : [...this.places.values()].map((place) => place.ask());
  }

  /** Begins to read a channel for a consumer. */
  attach(name: string, consumer: Consumer, start: ChannelOptions): Place {
    let place = this.places.get(name);
    if (!place) {
      const after = this.kept[name];
      // Once: who begins anew begins as it says.
      delete this.kept[name];
      this.places.set(name, (place = new Place(name, after === undefined ? start : { ...start, after })));
      this.#changed([place], []);
    } else if (start.join !== undefined && place.start.join === undefined) {
      place.start = { ...place.start, join: start.join };
      this.#changed([place], [name]);
    }
    place.consumers.add(consumer);
    return place;
  }

  /** Ends it. */
  detach(name: string, consumer: Consumer): void {
    const place = this.places.get(name);
    if (!place?.consumers.delete(consumer) || place.consumers.size) return;
    this.places.delete(name);
    this.#changed([], [name]);
  }

  #changed(added: Place[], removed: string[]): void {
    if (!this.signal.aborted) this.link.changed(added.map((place) => place.ask()), removed);
  }

  frame(frame: Frame): void {
    switch (frame.type) {
      case "hello":
        this.http.known(frame);
        for (const [channel, place] of Object.entries(frame.channels)) this.#give({ type: "subscribed", channel, ...place }, channel);
        return;
      case "ack":
      case "error":
        return this.#answered(frame);
      case "expiring":
        return void this.#renew();
      case "state":
        return this.tell(frame.change);
      case "unsubscribed":
        if (frame.reason !== undefined) this.#end(frame.channel, new TidingsError(frame.reason, `${frame.channel} may no longer be read`));
        return;
      case "closed":
        return this.#end(frame.channel, frame.error);
      case "cursor":
        for (const name of frame.names) this.#give(frame, name);
        return;
      default:
        if ("channel" in frame) this.#give(frame, frame.channel as string);
    }
  }

  /** Hands a frame of a channel to who reads it. */
  #give(frame: Frame, name: string): void {
    const place = this.#place(name);
    if (!place) return;
    const known = place.after !== undefined;
    for (const each of place.accept(frame)) place.give(each);
    if (!known && place.after !== undefined) place.give({ type: "subscribed", channel: place.name, epoch: "", offset: 0 });
  }

  /** Where the reader stands on a channel. The server calls one's own inboxes, `@` and `~`, by their whole names. */
  #place(name: string): Place | undefined {
    return this.places.get(name) ?? (/^[@~]/.test(name) ? this.places.get(name[0] as string) : undefined);
  }

  #answered(frame: Answer | ErrorFrame): void {
    if (this.publisher.answer(frame)) return;
    if (frame.type === "ack") return this.http.known(frame);
    const { channel, code, message, temporary, retry_ms } = frame;
    const place = channel === undefined ? undefined : this.#place(channel);
    if (!place) return;
    if (!temporary) return this.#end(place.name, new TidingsError(code, message));
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      // Not on one that is opened beside it: that one has asked for all.
      if (this.places.get(place.name) === place) this.connection?.change?.([place.ask()], []);
    }, retry_ms ?? 1_000);
    this.#retries.add(timer);
  }

  /** A channel is read no more. */
  #end(name: string, error?: TidingsError): void {
    const place = this.#place(name);
    if (!place) return;
    this.places.delete(place.name);
    place.give({ type: "closed", channel: place.name, ...(error && { error }) });
    this.#changed([], []);
  }

  async #renew(): Promise<void> {
    if (!this.http.renew()) return;
    try {
      await this.connection?.renew?.(await this.http.token());
    } catch {
      // Why there is none shows when this one has ended.
    }
  }

  refused(error: TidingsError): boolean {
    const { channels } = error;
    if (channels?.some((name) => this.#place(name))) {
      for (const name of channels) this.#end(name, error);
      return this.places.size > 0;
    }
    this.close(error, error.message);
    this.emitter.emit("$failed", error);
    return false;
  }

  moved(move: Move): void {
    this.emitter.emit("$move", move);
  }

  tell(change: StateChange): void {
    this.state = change;
    this.emitter.emit("$state", change);
  }
}
