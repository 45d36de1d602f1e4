// Long and short polling (PROTOCOL.md section 5): one request after another, each from where the last one ended. They differ in
// how long the server waits, and where the pause is.

import { asError } from "../errors.ts";
import { plain, type Frame } from "../frames.ts";
import type { Http } from "../http.ts";
import { posting } from "../posting.ts";
import { ensureSession, request, showToken } from "../requests.ts";
import { pause } from "../signals.ts";
import type { Connection, Sink, Transport } from "../transport.ts";

interface Answer {
  messages: Frame[];
  cursor: string;
  more: boolean;
  closed?: boolean;
}

function open(http: Http, sink: Sink, waits: boolean): Connection {
  let over = false;
  // Ends the request that waits, or the pause.
  let controller = new AbortController();
  let wait = 0;
  let heard = false;

  const once = async (): Promise<number> => {
    const asks = sink.asks();
    const names = asks.map(({ name }) => name);
    const body = { channels: asks, transport: "poll", wait: wait / 1000 };
    const { signal } = controller;
    const began = Date.now();
    // A long poll is told from a short one by its wait: a move is told by the first that waits.
    const answer = await request(http, http.url("read", [], !waits || wait > 0), { method: "POST", body, signal, timeout: wait + http.timings.request });
    const { messages, cursor, more, closed } = (await answer.json()) as Answer;
    if (over) return 0;
    heard = true;
    // What is let through whole may be let through longer.
    if (wait && Date.now() - began >= wait) http.wait = Math.min(http.timings.wait, http.wait + 1_000);
    wait = waits ? http.wait : 0;
    // An answer is a sign of life even if it is empty.
    sink.frame({ type: "ping" });
    let complaint: Frame | undefined;
    for (const frame of messages) {
      // What is read has changed: the rest, and the cursor, are of the reading before.
      if (over || signal.aborted) return 0;
      if (frame.type === "error") complaint = frame;
      else sink.frame(plain(frame));
    }
    if (signal.aborted) return 0;
    sink.frame({ type: "cursor", cursor, names });
    if (closed) for (const name of names) sink.frame({ type: "closed", channel: name });
    const asked = Number(answer.headers.get("Retry-After") ?? 0) * 1000;
    if (complaint) return Math.max(asked, 1_000);
    return more ? 0 : waits ? asked : Math.max(asked, http.timings.pollPause);
  };
  const follow = async (): Promise<void> => {
    await ensureSession(http);
    while (!over && sink.asks().length) {
      try {
        const ms = await once();
        if (!over && ms) await pause(ms, controller.signal);
      } catch (error) {
        // Something else is to be read.
        if (over || !controller.signal.aborted) throw error;
      }
      if (controller.signal.aborted) controller = new AbortController();
    }
    if (!over) sink.end("done");
  };
  follow().catch((reason: unknown) => {
    if (over) return;
    over = true;
    const error = asError(reason);
    const end = http.endOf(error);
    // What cuts requests that wait may let shorter ones pass.
    if (wait && end === "blocked") http.wait = Math.max(1_000, wait / 2);
    sink.end(heard && end === "blocked" ? (error.code === "timeout" ? "silent" : "lost") : end, error);
  });
  return {
    renew: () => showToken(http),
    change() {
      // Where the new ones stand is told at once.
      wait = 0;
      controller.abort();
    },
    close() {
      over = true;
      controller.abort();
    },
  };
}

const polling = (name: "long-poll" | "poll", waits: boolean): Transport => ({
  name,
  usable: () => true,
  needs: posting,
  open: (http, sink) => open(http, sink, waits),
});

export const longPoll: Transport = polling("long-poll", true);
export const poll: Transport = polling("poll", false);
