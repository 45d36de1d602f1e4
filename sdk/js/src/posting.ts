// Publishing by POST: where no connection takes commands, and what is too large for one.

import type { Extension } from "./engine.ts";
import { TidingsError, asError, passes } from "./errors.ts";
import type { Item } from "./publisher.ts";
import { ensureSession, json } from "./requests.ts";
import type { Receipt } from "./types.ts";

const BATCH = 64;

interface Problem {
  code: string;
  detail: string;
  status: number;
}

/** Goes on after the client was closed: what is published then does not wait for a connection. */
export const posting: Extension = ({ publisher, http }) => {
  let busy = false;
  let batch = BATCH;

  const send = async (items: Item[]): Promise<void> => {
    if (items.some(({ message }) => "echo" in message)) await ensureSession(http);
    const body = { messages: items.map(({ message }) => message) };
    const { results } = await json<{ results: (Receipt | Problem)[] }>(http, http.url("publish"), { method: "POST", body });
    items.forEach((item, at) => {
      const result = results[at];
      if (!result || !("code" in result)) item.settle(result as Receipt);
      else if (passes(result.status) && !item.message.ephemeral) publisher.hold([item], new TidingsError(result.code, result.detail, true), 1_000);
      else item.refuse(new TidingsError(result.code, result.detail));
    });
    batch = BATCH;
  };
  const unsent = (items: Item[], error: TidingsError): void => {
    if (http.endOf(error) !== "final") {
      for (const item of items) if (item.message.ephemeral) item.settle({ channel: item.message.channel, dropped: true });
      publisher.hold(items, error, 1_000 * (1 + Math.random()));
    } else if (items.length > 1) {
      // One that is wrong refuses all of a batch: the next time each goes alone.
      batch = 1;
    } else items[0]?.refuse(error);
  };

  publisher.post ??= async () => {
    const items = publisher.items.slice(0, publisher.items[0]?.large ? 1 : batch);
    if (busy || publisher.held || !items.length) return;
    busy = true;
    for (const item of items) publisher.sent(item, posting);
    await send(items).catch((reason: unknown) => unsent(items, asError(reason)));
    busy = false;
    publisher.pump();
  };
};
