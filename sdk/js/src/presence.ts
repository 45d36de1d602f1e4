// Who is in a channel: the list, and what changes in it. The list is of a place on `$presence:NAME`, which is read from there on.

import type { Engine } from "./engine.ts";
import { asError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import type { Consumer } from "./places.ts";
import { json } from "./requests.ts";
import { pause, whenAborted } from "./signals.ts";
import type { Member, StateChange } from "./types.ts";

/** Who is there at a moment, and the cursor from which the presence channel goes on. */
export const memberList = ({ http }: Engine, name: string, signal?: AbortSignal): Promise<{ clients: Member[]; count: number; cursor: string }> =>
  json(http, http.url("presence", [["name", name]]), { signal });

type Tell = (name: "$presence" | "$join" | "$leave", value: unknown) => void;

export class Presence implements Consumer {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #tell: Tell;
  readonly #stop = new AbortController();
  #clients: Map<string, Member> | undefined;
  /** The client was closed before the list was taken. */
  #missed = false;

  constructor(engine: Engine, name: string, tell: Tell) {
    this.#engine = engine;
    this.#name = name;
    this.#tell = tell;
    engine.emitter.add("$state", ({ state }: StateChange) => {
      if (state === "open" && this.#missed) void this.#take();
    }, this.#stop.signal);
    void this.#take();
  }

  /** The members; undefined until the list was taken. */
  get members(): readonly Member[] | undefined {
    return this.#clients && [...this.#clients.values()];
  }

  close(): void {
    this.#stop.abort();
    this.#engine.detach(this.#channel, this);
  }

  deliver(frame: Frame): void {
    if (frame.type === "gap") {
      // What changed is not known: the list is taken again.
      this.#engine.detach(this.#channel, this);
      void this.#take();
    } else if (frame.type === "message" && this.#clients) {
      const member = frame.data as Member;
      if (frame.event === "join") this.#clients.set(member.client, member);
      else this.#clients.delete(member.client);
      this.#tell(frame.event === "join" ? "$join" : "$leave", member);
      this.#tell("$presence", this.members);
    }
  }

  get #channel(): string {
    return `$presence:${this.#name}`;
  }

  /** Takes the list, again until it is there, and reads on from its place. */
  async #take(): Promise<void> {
    const stop = new AbortController();
    const { signal } = stop;
    const forget = whenAborted(() => stop.abort(), this.#stop.signal, this.#engine.signal);
    while (!(this.#missed = signal.aborted)) {
      try {
        const { clients, cursor } = await memberList(this.#engine, this.#name, signal);
        if (signal.aborted) continue;
        this.#clients = new Map(clients.map((member) => [member.client, member]));
        this.#engine.attach(this.#channel, this, { after: cursor });
        this.#tell("$presence", this.members);
        return forget();
      } catch (reason) {
        const error = asError(reason);
        if (signal.aborted) continue;
        if (error.temporary) await pause(error.retryAfter ?? 2_000, signal);
        else {
          // Who may not see it reads the channel all the same; `presence()` says why there is no list.
          return forget();
        }
      }
    }
  }
}
