// Messages to a user or a client, and requests with replies: a convention over ordinary messages (docs/clients.md).

import { TidingsError } from "./errors.ts";
import { whenAborted } from "./signals.ts";
import type { Message, PublishOptions, Receipt, Cancel } from "./types.ts";
import type { Engine } from "./engine.ts";
import { randomId } from "./publisher.ts";
import type { Channel } from "./channel.ts";

interface Request {
  $request: string;
  data: unknown;
}

interface Reply {
  $reply: string;
  data?: unknown;
  error?: string;
}

export interface RequestOptions extends Cancel {
  /** Milliseconds; default 10 s. */
  timeout?: number;
}

const has = <Key extends string>(data: unknown, key: Key): data is Record<Key, string> => typeof data === "object" && data !== null && key in data;

/** A message that is a request, with its payload and a way to answer. */
export function unwrapped({ publisher }: Engine, message: Message): Message {
  const { data, from } = message;
  if (!has(data, "$request") || !from?.client) return message;
  const { $request, data: inner } = data as Request;
  return { ...message, data: inner, reply: (answer) => publisher.publish(`~${from.client}`, { $reply: $request, data: answer } satisfies Reply, { event: "reply" }) };
}

/** Somebody who can be written to: `@USER`, all clients of a user, or `~CLIENT`. */
export class Peer {
  readonly #engine: Engine;
  readonly #channel: string;
  readonly #inbox: Channel;

  constructor(engine: Engine, channel: string, inbox: Channel) {
    this.#engine = engine;
    this.#channel = channel;
    this.#inbox = inbox;
  }

  /** Publishes to the inbox. */
  send(data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.#engine.publisher.publish(this.#channel, data, options);
  }

  /** Sends a request, and waits for the first reply. Who is asked answers by `message.reply(…)`. */
  async request<Data = unknown>(event: string, data?: unknown, { timeout = 10_000, signal }: RequestOptions = {}): Promise<Data> {
    const id = randomId();
    signal?.throwIfAborted();
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await new Promise<Data>((resolve, reject) => {
        timer = setTimeout(() => reject(new TidingsError("timeout", `no reply within ${timeout} ms`, true)), timeout);
        whenAborted(reject, stop.signal, signal, this.#engine.signal);
        this.#inbox.on("reply", ({ data }) => {
          const reply = data as Reply;
          if (!has(data, "$reply") || reply.$reply !== id) return;
          if (reply.error === undefined) resolve(reply.data as Data);
          else reject(new TidingsError("refused", reply.error));
        }, { signal: stop.signal });
        // Who is not read yet would miss a quick reply.
        this.#inbox.ready({ signal: stop.signal }).then(() => this.send({ $request: id, data } satisfies Request, { event, signal: stop.signal })).catch(reject);
      });
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }
}
