// Requests to the server that show who asks, and what its refusals say.

import { TidingsError, asError, passes } from "./errors.ts";
import type { Http } from "./http.ts";
import { whenAborted } from "./signals.ts";

export interface Asked {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Milliseconds; none for streams. */
  timeout?: number;
}

interface Problem {
  code?: string;
  detail?: string;
  channels?: string[];
}

/** The answer, if it is not a refusal. */
export async function request(http: Http, url: string, { method = "GET", body, headers, signal, timeout }: Asked): Promise<Response> {
  const token = await http.token();
  const { session } = http;
  const controller = new AbortController();
  const forget = whenAborted((reason) => controller.abort(reason), signal);
  const timer = timeout === undefined ? undefined : setTimeout(() => controller.abort(new TidingsError("timeout", "no answer in time", true)), timeout);
  try {
    const answer = await http.fetch(url, {
      method,
      headers: {
        ...headers,
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(session !== undefined && { "Tidings-Session": session }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: controller.signal,
    });
    if (!answer.ok && answer.status !== 304) {
      const error = await refusal(answer);
      throw error.code === "token_expired" && http.isOld(token) ? new TidingsError(error.code, error.message, true, 0) : error;
    }
    if (token !== undefined) http.worked();
    // A stream may be aborted after its head; what has a timeout is read whole within it.
    return timeout === undefined ? answer : new Response(answer.status === 204 ? null : await answer.arrayBuffer(), answer);
  } catch (error) {
    throw signal?.aborted ? signal.reason : asError(controller.signal.aborted ? controller.signal.reason : error);
  } finally {
    clearTimeout(timer);
    if (timeout !== undefined) forget();
  }
}

/** The answer's JSON. */
export async function json<Value>(http: Http, url: string, asked: Asked = {}): Promise<Value> {
  const answer = await request(http, url, { timeout: http.timings.request, ...asked });
  try {
    return (await answer.json()) as Value;
  } catch {
    throw foreign(answer);
  }
}

/** Makes this a client that the server knows, for what needs one. */
export async function ensureSession(http: Http): Promise<void> {
  if (http.session === undefined) await showToken(http);
}

/** Has the server know the present token for the session; it makes one where there is none. */
export async function showToken(http: Http): Promise<void> {
  const { session } = http;
  http.known(await json(http, http.url("session"), { method: "POST", body: { session } }));
}

export const foreign = (answer: Response): TidingsError =>
  new TidingsError("foreign", `${answer.url} was answered with ${answer.status} ${answer.headers.get("Content-Type") ?? "and no content"}, not by a Tidings server`, true);

async function refusal(answer: Response): Promise<TidingsError> {
  const after = Number(answer.headers.get("Retry-After") ?? NaN) * 1000;
  const { code, detail = code, channels } = (await answer.json().catch(() => ({}))) as Problem;
  if (!code) return foreign(answer);
  return new TidingsError(code, detail as string, passes(answer.status), after >= 0 ? after : undefined, channels);
}
