// Keeps one connection to the server over whatever rung works: opens it, watches it, replaces it, and takes another rung by the rules of
// the connector. It knows nothing of channels but what is asked for.

import { Connector, type End } from "./connector.ts";
import { TidingsError, unreachable } from "./errors.ts";
import type { Frame } from "./frames.ts";
import type { Http } from "./http.ts";
import type { Ask, Connection, Transport } from "./transport.ts";
import type { Move, MoveReason, StateChange } from "./types.ts";

export interface Host {
  asks(): Ask[];
  frame(frame: Frame): void;
  /** Commands go here from now on; by POST, if it takes none. Nothing: there is no connection. */
  connected(connection: Connection | undefined): void;
  tell(change: StateChange): void;
  moved(move: Move): void;
  /** Refused for good. True: something was changed, and it is worth another attempt. */
  refused(error: TidingsError): boolean;
}

interface Attempt {
  at: number;
  over: boolean;
  /** When the first frame came; 0 before. */
  first: number;
  /** When the last bytes came. */
  last: number;
  /** Milliseconds without bytes after which it is dead. */
  quiet: number;
  watch: ReturnType<typeof setTimeout> | undefined;
  connection: Connection;
  /** Channels that are begun anew: what it still brings of them is of before. */
  stale: Set<string>;
  close(last: boolean): void;
}

interface Outcome {
  end: End | "final" | "done";
  error?: TidingsError | undefined;
  after?: number | undefined;
  alive?: boolean;
}

/** Ends that a probe decides about. */
const doubtful = new Set<string>(["blocked", "broken", "cut", "silent"]);

export class Link {
  #http: Http;
  #host: Host;
  #ladder: Transport[] = [];
  #connector!: Connector;
  #current: Attempt | undefined;
  #candidate: Attempt | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Something runs: a connection, an attempt, a wait for one. */
  #running = false;
  /** Which decision a probe's answer is for. */
  #turn = 0;
  #reopening = false;
  /** Something is to be read that the connection which stands does not read: another one has to be opened. */
  #owed = false;
  /** The rung to begin with. */
  #preferred: string | undefined;
  /** When the rungs above are tried, whatever ends before; 0 if that is not known yet. */
  #climbAt = 0;
  /** Ephemeral messages that came while a candidate is opened: it may bring them again. */
  #fleeting = new Set<string>();

  /** Told which rung is in use. */
  settled: ((name: string) => void) | undefined;

  constructor(http: Http, host: Host) {
    this.#http = http;
    this.#host = host;
  }

  /** Takes these rungs from now on. */
  use(transports: readonly Transport[]): void {
    const running = this.#running;
    if (running) this.stop(false);
    this.#ladder = transports.filter((transport) => transport.usable(this.#http));
    if (transports.length && !this.#ladder.length) throw new TypeError("none of the transports is available in this runtime");
    if (this.#ladder.length && transports[0] !== this.#ladder[0]) this.#http.moved = `${transports[0]?.name}.unavailable`;
    this.#connector = new Connector(this.#ladder.length, this.#http.timings);
    this.#begin();
    if (!this.#ladder.length) return;
    if (running || this.#host.asks().length) this.start();
  }

  /** Begins with this rung, if it is one. */
  prefer(name: string | undefined): void {
    this.#preferred = name;
    if (!this.#running) this.#begin();
  }

  #begin(): void {
    this.#connector.at = Math.max(0, this.#ladder.findIndex((transport) => transport.name === this.#preferred));
  }

  /** Begins, unless it runs or there is no ladder yet. */
  start(): void {
    if (this.#running || !this.#ladder.length) return;
    this.#running = true;
    // What is asked for in the same turn shares the first request.
    const turn = ++this.#turn;
    queueMicrotask(() => turn === this.#turn && this.#connect());
  }

  /** Ends. Not `last`: this client goes on elsewhere, or later. */
  stop(last: boolean): void {
    this.#running = false;
    this.#turn++;
    clearTimeout(this.#timer);
    this.#candidate?.close(false);
    this.#current?.close(last);
    this.#candidate = this.#current = undefined;
    this.#host.connected(undefined);
  }

  /** Ends until `start`: the page does nothing meanwhile. */
  suspend(): void {
    if (!this.#running) return;
    this.stop(false);
    this.#tell("waiting", { reason: "the page is suspended" });
  }

  /** What is to be read has changed. */
  changed(added: Ask[], removed: string[]): void {
    if (!this.#host.asks().length) {
      if (!this.#running) return;
      this.stop(true);
      return this.#host.tell({ state: "idle", transport: null });
    }
    if (!this.#running) return this.start();
    for (const attempt of [this.#current, this.#candidate]) {
      if (!attempt) continue;
      if (attempt.connection.change) attempt.connection.change(added, removed);
      else {
        for (const { name } of added) attempt.stale.add(name);
        this.#reopen();
      }
    }
  }

  /** The network is another one: what did not work over the one before may work over this. */
  networkChanged(): void {
    this.#connector.climbs = 0;
    this.refresh();
  }

  /** The connection may be dead without a word: what there is is replaced, by a better rung if one works. */
  refresh(): void {
    if (!this.#running) return;
    if (this.#current?.first) this.#seek(0, this.#connector.at);
    else if (!this.#current) {
      clearTimeout(this.#timer);
      this.#turn++;
      this.#connect();
    }
  }

  /** Tries the better rungs now. */
  climb(): void {
    if (this.#current?.first && this.#connector.at) this.#seek(0, this.#connector.at - 1);
    else this.refresh();
  }

  #connect(): void {
    const { at } = this.#connector;
    const turn = this.#turn;
    this.#tell("connecting");
    if (turn !== this.#turn) return;
    this.#current = this.#open(at, () => this.#stands(at), (attempt, outcome) => void this.#ended(attempt, outcome));
  }

  #name(at: number): Transport["name"] {
    return (this.#ladder[at] as Transport).name;
  }

  #tell(state: StateChange["state"], more: Partial<StateChange> = {}): void {
    this.#host.tell({ state, transport: this.#name(this.#connector.at), ...more });
  }

  /** One attempt over one rung. */
  #open(at: number, worked: (attempt: Attempt) => void, ended: (attempt: Attempt, outcome: Outcome) => void): Attempt {
    const { firstFrame } = this.#http.timings;
    let alive = false;
    const probing = setTimeout(() => void this.#http.probe().then((well) => (alive = well)), firstFrame / 3);
    const deadline = setTimeout(() => end("mute", unreachable("nothing came in time")), firstFrame);
    const heard = (): void => {
      clearTimeout(probing);
      clearTimeout(deadline);
    };
    const attempt: Attempt = {
      at, over: false, first: 0, last: 0, quiet: 0, stale: new Set(), watch: undefined, connection: { close() {} },
      close(last) {
        if (attempt.over) return;
        attempt.over = true;
        heard();
        clearTimeout(attempt.watch);
        attempt.connection.close(last);
      },
    };
    const end = (kind: Outcome["end"], error?: TidingsError, after = error?.retryAfter): void => {
      if (attempt.over) return;
      attempt.close(false);
      ended(attempt, { end: kind, error, after, alive });
    };
    const frame = (frame: Frame): void => {
      if (attempt.over) return;
      attempt.last = Date.now();
      if (!attempt.first) {
        attempt.first = attempt.last;
        heard();
        this.#http.worked();
        worked(attempt);
        // Who was told has closed it.
        if (attempt.over) return;
      }
      if (frame.type === "reconnect") return end("asked", undefined, frame.after_ms);
      if (frame.type === "hello") {
        attempt.quiet = frame.heartbeat * 2_000;
        clearTimeout(attempt.watch);
        this.#watch(attempt, () => end("silent", unreachable("nothing was heard for two heartbeats")));
      }
      if ("channel" in frame && attempt.stale.has(frame.channel as string)) return;
      if (!this.#again(attempt, frame)) this.#host.frame(frame);
    };
    attempt.connection = (this.#ladder[at] as Transport).open(this.#http, { asks: () => this.#host.asks(), frame, end });
    return attempt;
  }

  /** Whether an ephemeral message came over the connection before. */
  #again(attempt: Attempt, frame: Frame): boolean {
    if (frame.type !== "message" || frame.offset !== undefined) return false;
    if (this.#candidate && attempt !== this.#candidate) this.#fleeting.add(JSON.stringify(frame));
    else return this.#fleeting.size > 0 && this.#fleeting.delete(JSON.stringify(frame));
    return false;
  }

  /** Ends a connection of which nothing is heard. One timer, whatever comes. */
  #watch(attempt: Attempt, dead: () => void): void {
    const due = attempt.last + attempt.quiet;
    attempt.watch = setTimeout(() => {
      const now = Date.now();
      if (now >= attempt.last + attempt.quiet) {
        // A timer that is so late has slept: what has come meanwhile is not read yet.
        if (now - due < attempt.quiet / 2) return dead();
        attempt.last = now;
        this.refresh();
        if (attempt.over) return;
      }
      this.#watch(attempt, dead);
    }, Math.max(0, due - Date.now()));
  }

  /** A connection works: it is the one. */
  #stands(at: number): void {
    this.#connector.at = at;
    this.#owed = false;
    this.settled?.(this.#name(at));
    this.#host.connected((this.#current as Attempt | undefined)?.connection);
    this.#planClimb();
    this.#tell("open");
  }

  #planClimb(): void {
    clearTimeout(this.#timer);
    if (!this.#connector.at) return;
    this.#climbAt ||= Date.now() + this.#connector.climb(Math.random());
    this.#timer = setTimeout(() => this.climb(), Math.max(0, this.#climbAt - Date.now()));
  }

  /** The connection has ended. */
  async #ended(attempt: Attempt, outcome: Outcome): Promise<void> {
    const { error, after } = outcome;
    let { end } = outcome;
    this.#current = undefined;
    this.#candidate?.close(false);
    this.#candidate = undefined;
    clearTimeout(this.#timer);
    this.#host.connected(undefined);
    const turn = ++this.#turn;
    if (!this.#host.asks().length) return this.changed([], []);
    // Something else is to be read since.
    if (end === "done") return this.#connect();
    if (end === "final") return this.#refused(error as TidingsError);
    const lived = attempt.first ? attempt.last - attempt.first : undefined;
    if (end === "lost") end = lived === undefined ? "broken" : lived < this.#http.timings.stable ? "cut" : "lost";
    const reason = error?.message ?? "the server asked to come back";
    let { alive = false } = outcome;
    if (doubtful.has(end)) {
      this.#tell("waiting", { reason });
      alive = await this.#http.probe();
      if (turn !== this.#turn) return;
    }
    const from = this.#name(this.#connector.at);
    const verdict = this.#connector.ended({ end, lived, quiet: attempt.quiet || 2 * this.#http.timings.wait, after, alive }, Math.random());
    const { maxAttempts = Infinity } = this.#http.options;
    if (verdict.failed >= maxAttempts) return this.#refused(new TidingsError("failed", `${maxAttempts} attempts have failed; the last: ${reason}`, true));
    if (verdict.moved) this.#moved(from, this.#name(verdict.at), verdict.moved);
    if (turn !== this.#turn) return;
    // Systems err about being offline, so it is tried all the same, but rarely.
    const offline = (globalThis.navigator as Navigator | undefined)?.onLine === false;
    const { backoffFirst, backoffMax } = this.#http.timings;
    // Who asks to come back at once, and again at once, is not a server's way of going away.
    const least = offline ? backoffMax : end === "asked" && (lived ?? 0) < backoffFirst ? backoffFirst : 0;
    const retryIn = Math.max(verdict.delay, least);
    this.#timer = setTimeout(() => this.#connect(), retryIn);
    this.#tell("waiting", { reason, retryIn });
  }

  #refused(error: TidingsError): void {
    const turn = this.#turn;
    const again = this.#host.refused(error);
    // Who was told has closed it, or begun anew.
    if (turn !== this.#turn) return;
    if (again) this.#connect();
    else this.stop(false);
  }

  #moved(from: Transport["name"], to: Transport["name"], reason: MoveReason): void {
    this.#climbAt = 0;
    this.#http.moved = `${from}.${reason}`;
    this.#host.moved({ from, to, reason });
  }

  /** Opens another connection beside the one that stands, over the first rung that works of these. */
  #seek(at: number, upTo: number): void {
    this.#candidate?.close(false);
    this.#candidate = undefined;
    this.#fleeting.clear();
    if (at > upTo) {
      if (!this.#owed) return this.#planClimb();
      // What was asked for is not read until this succeeds.
      this.#timer = setTimeout(() => this.#seek(upTo, upTo), this.#http.timings.backoffFirst * (1 + 2 * Math.random()));
      return;
    }
    clearTimeout(this.#timer);
    const from = this.#connector.at;
    const climbs = at < from;
    if (climbs) {
      this.#climbAt = 0;
      this.#http.moved = `${this.#name(from)}.climbed`;
      // One try, whatever comes of it.
      if (!at) this.#connector.climbs++;
    }
    this.#candidate = this.#open(
      at,
      (attempt) => {
        this.#current?.close(false);
        this.#current = attempt;
        this.#candidate = undefined;
        if (climbs) {
          this.#connector.climbed(at);
          this.#host.moved({ from: this.#name(from), to: this.#name(at), reason: "climbed" });
          if (attempt.over) return;
        }
        this.#stands(at);
      },
      (attempt, outcome) => {
        // It has become the one that stands.
        if (attempt === this.#current) return void this.#ended(attempt, outcome);
        this.#http.moved = undefined;
        const turn = this.#turn;
        if (outcome.end === "final") this.#notAdded(outcome.error as TidingsError);
        if (turn === this.#turn) this.#seek(at + 1, upTo);
      },
    );
  }

  /** What was added since is refused; what is read already goes on. */
  #notAdded(error: TidingsError): void {
    const channels = error.channels ?? [...(this.#current?.stale ?? [])];
    if (channels.length) this.#host.refused(new TidingsError(error.code, error.message, false, undefined, channels));
  }

  /** A stream reads something else only as another stream. */
  #reopen(): void {
    if (this.#reopening) return;
    this.#reopening = true;
    queueMicrotask(() => {
      this.#reopening = false;
      const current = this.#current;
      if (!current) return;
      this.#owed = true;
      if (current.first) return this.#seek(this.#connector.at, this.#connector.at);
      current.close(false);
      this.#connect();
    });
  }
}
