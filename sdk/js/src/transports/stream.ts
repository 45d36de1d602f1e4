// Server-Sent Events (PROTOCOL.md section 4) over fetch, which can say who asks; as the answer to a GET or to POST /read.

import { asError, refusalOf, unreachable } from "../errors.ts";
import { decode, type ErrorFrame } from "../frames.ts";
import type { Http } from "../http.ts";
import { posting } from "../posting.ts";
import { foreign, request, showToken } from "../requests.ts";
import { sseParser } from "../sse-parser.ts";
import type { Ask, Connection, Sink, Transport } from "../transport.ts";

/** Longer URLs are not for every proxy. */
const URL_LIMIT = 2_000;

/** The URL that asks for all this, if one can. */
function getUrl(http: Http, asks: Ask[]): string | undefined {
  const same = (key: "last" | "join" | "info"): boolean => asks.every((ask) => JSON.stringify(ask[key]) === JSON.stringify(asks[0]?.[key]));
  const [first] = asks;
  const placed = asks.filter((ask) => ask.after !== undefined);
  if (!first || (placed.length && placed.length < asks.length) || !same("last") || !same("join") || !same("info")) return;
  const parameters: [string, string][] = asks.map(({ name }) => ["name", name]);
  for (const { after } of placed) parameters.push(["after", after as string]);
  if (first.last !== undefined) parameters.push(["last", String(first.last)]);
  if (first.join) parameters.push(["join", "true"]);
  if (first.info !== undefined) parameters.push(["info", JSON.stringify(first.info)]);
  const { moved } = http;
  const url = http.url("channels", parameters, true);
  if (url.length < URL_LIMIT) return url;
  http.moved = moved;
  return;
}

function open(http: Http, sink: Sink, byPost: boolean): Connection {
  const controller = new AbortController();
  const { signal } = controller;
  let complaint: ErrorFrame | undefined;
  let answered = false;

  const parse = sseParser((data) => {
    if (signal.aborted) return;
    const frame = decode(data);
    if (frame.type === "error") complaint = frame;
    else sink.frame(frame);
  });
  const follow = async (): Promise<void> => {
    const asks = sink.asks();
    const url = byPost ? undefined : getUrl(http, asks);
    const headers = { Accept: "text/event-stream" };
    const answer = await (url
      ? request(http, url, { headers, signal })
      : request(http, http.url("read", [], true), { method: "POST", body: { channels: asks, transport: "sse" }, headers, signal }));
    if (answer.status === 204) {
      for (const { name } of asks) sink.frame({ type: "closed", channel: name });
      return sink.end("done");
    }
    if (!answer.body || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) throw foreign(answer);
    answered = true;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parse(value);
    }
    if (!complaint) return sink.end("lost", unreachable("the stream ended"));
    throw refusalOf(complaint);
  };
  follow().catch((reason: unknown) => {
    if (signal.aborted) return;
    controller.abort();
    const error = asError(reason);
    sink.end(answered && error.code === "unreachable" ? "lost" : http.endOf(error), error);
  });
  return { renew: () => showToken(http), close: () => controller.abort() };
}

const stream = (name: "sse" | "sse-post", byPost: boolean): Transport => ({
  name,
  usable: () => typeof TextDecoderStream === "function",
  needs: posting,
  open: (http, sink) => open(http, sink, byPost),
});

export const sse: Transport = stream("sse", false);
export const ssePost: Transport = stream("sse-post", true);
