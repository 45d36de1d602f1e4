// One connection for all tabs of a browser. A tab holds a lock and is the leader: its ladder goes to the server. To the others it is a
// transport like any other, so that a change of the leader is a reconnect: each tab has its own positions and goes on from them.

import type { Engine, Extension } from "./engine.ts";
import { asError, refusalOf, type TidingsError } from "./errors.ts";
import { plain, toBase64, type Answer, type ErrorFrame, type Frame } from "./frames.ts";
import type { Consumer, Place } from "./places.ts";
import { randomId, type Outgoing } from "./publisher.ts";
import { json } from "./requests.ts";
import type { Ask, Connection, Sink, Transport } from "./transport.ts";
import type { StateChange } from "./types.ts";

/** Messages of this tab's own that are waited for, to be left out. */
const OWN = 64;

/** What tabs say to each other. `to` is a tab, or all. */
type Said = { by: string; to?: string | undefined } & (
  | { say: "who" | "ping" | "pong" }
  | { say: "leader"; client: string | undefined; session: string | undefined; change: StateChange }
  /** `as` is the connection for which it is read: what is said to one before is not for this one. */
  | { say: "read"; as: string; added: Ask[]; removed: string[] }
  /** The reading of a channel goes on after this; nothing where all that was asked for comes. */
  | { say: "from"; as: string; channel: string; after: string | undefined }
  | { say: "publish"; id: string; message: Outgoing }
  /** `channel` is the name by which it was asked for. */
  | { say: "frame"; channel: string; frame: Frame }
  | { say: "answer"; frame: Answer | ErrorFrame }
  | { say: "failed"; error: Omit<ErrorFrame, "type"> }
);
type Words<Each> = Each extends unknown ? Omit<Each, "by"> : never;

/** Who this is: tabs of different users share nothing. */
async function identity({ http }: Engine): Promise<string> {
  const token = await http.token();
  const { user = "" } = http.options;
  if (token === undefined) return user;
  try {
    const { sub } = JSON.parse(atob((token.split(".")[1] as string).replace(/-/g, "+").replace(/_/g, "/"))) as { sub?: string };
    if (sub) return sub;
  } catch {
    // It is no JSON Web Token.
  }
  // Not the token itself: the names of locks are for every script of the origin.
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  return [...new Uint8Array(digest).slice(0, 12)].join("-");
}

/** An error as another tab gets it: only its class is lost. */
const bare = ({ code, message, temporary, retryAfter }: TidingsError): Omit<ErrorFrame, "type"> => ({ code, message, temporary, retry_ms: retryAfter });

/** What the leader does for the others: reads and publishes for them. */
function serve(engine: Engine, tell: (words: Words<Said>) => void): { hear(said: Said): void; stop(): void } {
  interface Relay extends Consumer {
    place: Place;
    /** Who reads it, each with its connection. */
    tabs: Map<string, string>;
  }
  const relays = new Map<string, Relay>();
  const known = new Set<string>();
  const stop = new AbortController();

  const from = (relay: Relay, tab: string): void => {
    const { after } = relay.place;
    // The one that began the reading gets all of it.
    if (after !== undefined) tell({ say: "from", to: tab, as: relay.tabs.get(tab) as string, channel: relay.place.name, after });
  };
  const add = (tab: string, as: string, ask: Ask): void => {
    let relay = relays.get(ask.name);
    const join = ask.join && (ask.info ?? true);
    const first = !engine.places.has(ask.name);
    if (!relay) {
      const tabs = new Map<string, string>();
      relay = {
        tabs,
        deliver(frame) {
          if (frame.type === "subscribed") for (const tab of tabs.keys()) from(this as Relay, tab);
          else tell({ say: "frame", channel: ask.name, frame: frame.type === "closed" && frame.error ? { ...frame, error: bare(frame.error) as TidingsError } : frame });
        },
      } as Relay;
      relays.set(ask.name, relay);
    }
    relay.tabs.set(tab, as);
    relay.place = engine.attach(ask.name, relay, { after: ask.after, last: ask.last, join });
    if (first) tell({ say: "from", to: tab, as, channel: ask.name, after: undefined });
    else from(relay, tab);
  };
  const remove = (tab: string, name: string): void => {
    const relay = relays.get(name);
    if (!relay?.tabs.delete(tab) || relay.tabs.size) return;
    relays.delete(name);
    engine.detach(name, relay);
  };
  const leader = (to?: string): void => {
    const { client, session } = engine.http;
    tell({ say: "leader", client, session, change: engine.state, to });
  };
  engine.emitter.add("$state", () => leader(), stop.signal);
  engine.emitter.add("$failed", (error: TidingsError) => tell({ say: "failed", error: bare(error) }), stop.signal);
  leader();
  return {
    hear(said) {
      const { by } = said;
      if (said.say === "who") leader(by);
      else if (said.say === "ping") tell({ say: "pong", to: by });
      else if (said.say === "publish") {
        // Whoever leads next is given what is not answered by then: this tab must not send it later.
        engine.publisher.enqueue(said.message, stop.signal).then(
          (receipt) => stop.signal.aborted || tell({ say: "answer", to: by, frame: { ...receipt, type: "ack", id: said.id } }),
          (error: TidingsError) => stop.signal.aborted || tell({ say: "answer", to: by, frame: { type: "error", id: said.id, ...bare(error) } }),
        );
      } else if (said.say === "read") {
        if (!known.has(by)) {
          known.add(by);
          // A tab holds a lock of its own for as long as it lives.
          navigator.locks.request(by, { signal: stop.signal }, () => {
            known.delete(by);
            for (const name of [...relays.keys()]) remove(by, name);
          }).catch(() => {});
        }
        for (const name of said.removed) remove(by, name);
        for (const ask of said.added) add(by, said.as, ask);
      }
    },
    stop() {
      stop.abort();
      for (const [name, relay] of relays) engine.detach(name, relay);
    },
  };
}

/** The leader as a transport. `lost` is told when it does not answer. */
function tabTransport(engine: Engine, tell: (words: Words<Said>) => void, heard: (hear: (said: Said) => void) => void, lost: () => void): Transport {
  const { tabAnswer } = engine.http.timings;
  let answered = Date.now();

  /** Reads what came between the place of this tab and that of the leader. */
  async function catchUp(sink: Sink, ask: Ask, signal: AbortSignal): Promise<void> {
    let { after } = ask;
    const { last } = ask;
    for (let more = true; more && !signal.aborted; ) {
      const answer = await json<{ messages: Frame[]; cursor: string; more: boolean }>(engine.http, engine.http.url("read"), {
        method: "POST", signal, body: { channels: [after === undefined ? { name: ask.name, last } : { name: ask.name, after }], transport: "poll", limit: 1_000 },
      });
      for (const frame of answer.messages) sink.frame(plain(frame));
      ({ cursor: after, more } = answer);
      sink.frame({ type: "cursor", cursor: after, names: [ask.name] });
    }
  }

  return {
    name: "tab",
    usable: () => true,
    open(_, sink): Connection {
      const stop = new AbortController();
      const as = randomId();
      // Channels that catch up, with what came live meanwhile.
      const held = new Map<string, Frame[]>();
      let asks = new Map<string, Ask>();
      let leader: string | undefined;

      const read = (added: Ask[], removed: string[]): void => {
        for (const ask of added) {
          asks.set(ask.name, ask);
          held.set(ask.name, []);
        }
        for (const name of removed) asks.delete(name);
        tell({ say: "read", as, added, removed });
      };
      const release = (name: string): void => {
        const frames = held.get(name) ?? [];
        held.delete(name);
        for (const frame of frames) sink.frame(frame);
      };
      const from = async (name: string, after: string | undefined): Promise<void> => {
        const ask = asks.get(name);
        if (!ask) return;
        if (after !== undefined && (ask.after === "now" || !held.has(name))) {
          const [, epoch, offset] = /^([^-]+)-(\d+)$/.exec(after) ?? [];
          sink.frame(epoch === undefined ? { type: "cursor", cursor: after, names: [name] } : { type: "subscribed", channel: name, epoch, offset: Number(offset) });
        } else if (after !== undefined && after !== ask.after) await catchUp(sink, ask, stop.signal);
        release(name);
      };
      const end = (reason?: unknown): void => {
        if (stop.signal.aborted) return;
        const error = asError(reason);
        const end = engine.http.endOf(error);
        // That the server is away is the leader's business; this tab asks it again.
        sink.end(end === "blocked" ? "passing" : end, error);
      };
      heard((said) => {
        if (stop.signal.aborted) return;
        if (said.say === "leader") {
          answered = Date.now();
          if (leader !== undefined && said.by !== leader) return sink.end("at_once");
          const first = leader === undefined;
          leader = said.by;
          engine.http.known(said as { client: string; session: string });
          if (first) {
            sink.frame({ type: "ping" });
            read(sink.asks(), []);
          }
          sink.frame({ type: "state", change: said.change });
        }
        // Only the leader's word says that the leader lives.
        if (said.by !== leader) return;
        answered = Date.now();
        if (said.say === "from") {
          if (said.as === as) from(said.channel, said.after).catch(end);
        } else if (said.say === "failed") sink.end("final", refusalOf(said.error));
        else if (said.say === "answer") sink.frame(said.frame);
        else if (said.say === "frame") {
          const { frame } = said;
          if (!asks.has(said.channel)) return;
          if (frame.type === "closed" && frame.error) return sink.frame({ ...frame, error: refusalOf(frame.error as unknown as ErrorFrame) });
          (held.get(said.channel) ?? { push: sink.frame }).push(frame);
        }
      });
      let ticked = Date.now();
      const beat = setInterval(() => {
        const now = Date.now();
        // A timer that was late says nothing about the leader, whose words may wait to be heard: it is asked first.
        if (now - ticked > 2 * tabAnswer) answered = now;
        ticked = now;
        if (now - answered > 3 * tabAnswer) {
          answered = now;
          lost();
        } else tell({ say: leader === undefined ? "who" : "ping" });
      }, tabAnswer);
      tell({ say: "who" });

      return {
        send: (command) => {
          const { type: _, id, ...message } = command as { type: string; id: string; channel: string };
          if (_ === "publish") tell({ say: "publish", id, message });
        },
        change: (added, removed) => {
          if (leader !== undefined) read(added, removed);
        },
        close() {
          stop.abort();
          clearInterval(beat);
          heard(() => {});
          tell({ say: "read", as, added: [], removed: [...asks.keys()] });
          asks = new Map();
        },
      };
    },
  };
}

/** Messages that another tab of this client must get and this one must not: `echo: false` is of a tab here, not of the client. */
function ownMessages({ publisher, http, places }: Engine): (frame: Frame) => boolean {
  let own: string[] = [];
  const text = ({ channel, event, data }: Partial<Outgoing>): string => JSON.stringify([channel, event, data instanceof Uint8Array ? toBase64(data) : data]);
  const take = (each: string): boolean => {
    const at = own.indexOf(each);
    if (at >= 0) own.splice(at, 1);
    return at >= 0;
  };
  publisher.outgoing = (message) => {
    if (message.echo !== false) return;
    delete message.echo;
    // What this tab does not read does not come.
    if (!places.has(message.channel)) return;
    const each = text(message);
    // Not for ever: one that newer ones replace never comes.
    own = [...own, each].slice(-OWN);
    return () => void take(each);
  };
  return (frame) => frame.type === "message" && frame.from?.client === http.client && take(text(frame as Partial<Outgoing>));
}

export const tabs: Extension = (engine, signal) => {
  const { link, http, transports } = engine;
  if (typeof document === "undefined" || typeof BroadcastChannel === "undefined" || !navigator.locks) return;
  const me = `tidings.tab ${randomId()}`;
  // Until it is known which tab leads there is no ladder.
  link.use([]);

  const begin = async (): Promise<void> => {
    const key = `tidings ${http.url("")} ${await identity(engine)}`;
    if (signal.aborted) return;
    const air = new BroadcastChannel(key);
    let hear: (said: Said) => void = () => {};
    let release: (() => void) | undefined;
    let frozen = false;
    const tell = (words: Words<Said>): void => air.postMessage({ ...words, by: me });
    air.onmessage = ({ data }: MessageEvent<Said>) => {
      if (data.to === undefined || data.to === me) hear(data);
    };

    const follow = (): void => link.use([tabTransport(engine, tell, (each) => (hear = each), () => campaign({ steal: true }))]);
    const lead = (): Promise<void> => {
      // The connection to the leader before lets go of the air when it is closed: only then it is this tab's.
      link.use(transports);
      const service = serve(engine, tell);
      hear = (said) => service.hear(said);
      return new Promise((resolve) => {
        release = () => {
          release = undefined;
          service.stop();
          resolve();
        };
      });
    };
    const campaign = (options: LockOptions): void => {
      navigator.locks.request(key, { ...options, ...(!options.steal && !options.ifAvailable && { signal }) }, (lock) => {
        // A tab that leads already, or hears nothing, lets it go to the next.
        if (signal.aborted || release || frozen) return;
        if (lock) return lead();
        follow();
        campaign({});
        return;
      }).catch(() => {
        // Another tab took it, since this one did not answer.
        if (signal.aborted || !release) return;
        release();
        follow();
        campaign({});
      });
    };
    navigator.locks.request(me, { signal }, () => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))).catch(() => {});
    campaign({ ifAvailable: true });
    // A frozen leader would keep the others waiting.
    const freeze = (): void => {
      frozen = true;
      if (!release) return;
      release();
      link.use([]);
    };
    const resume = (): void => {
      if (!frozen) return;
      frozen = false;
      follow();
      campaign({});
    };
    document.addEventListener("freeze", freeze, { signal });
    document.addEventListener("resume", resume, { signal });
    signal.addEventListener("abort", () => {
      release?.();
      air.close();
    });
  };
  engine.hides = ownMessages(engine);
  begin().catch(() => signal.aborted || link.use(transports));
  signal.addEventListener("abort", () => {
    engine.publisher.outgoing = engine.hides = undefined;
    link.use(transports);
  });
};
