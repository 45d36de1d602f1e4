// Requests to the server, and who makes them: the token and the session. It keeps no connection and decides nothing.

import type { End } from "./connector.ts";
import { TidingsError, asError, passes } from "./errors.ts";
import { whenAborted } from "./signals.ts";
import { timings } from "./timings.ts";
import type { Options, Timings } from "./types.ts";

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

export class Http {
  readonly timings: Timings;
  readonly options: Options;
  /** What makes this the same client on every connection: the server's secret for it. */
  session: string | undefined;
  client: string | undefined;
  /** `FROM.REASON` of the last move, until a request has told it. */
  moved: string | undefined;
  /** How long a long poll waits here: what cuts requests that wait may let shorter ones pass. */
  wait: number;
  #base: string;
  #token: string | undefined;
  /** The present token was refused as ended; once is an accident. */
  #expired = false;

  constructor(url: string | URL, options: Options) {
    this.options = options;
    this.timings = { ...timings, ...options.timings };
    this.wait = this.timings.wait;
    this.#base = new URL(url, (globalThis.location as Location | undefined)?.href).href.replace(/[?#].*|\/$/g, "");
    if (!/^https?:/.test(this.#base)) throw new TypeError(`${url}: a URL with http: or https: is needed`);
  }

  /** The URL of a path; a reading tells of the last move. */
  url(path: string, parameters: [string, string][] = [], reading = false): string {
    const { user } = this.options;
    if (user !== undefined) parameters.push(["user", user]);
    if (reading && this.moved) {
      parameters.push(["_moved", this.moved]);
      this.moved = undefined;
    }
    const query = new URLSearchParams(parameters).toString();
    return `${this.#base}/${path}${query && "?" + query}`;
  }

  /** The token to show; asked for where there is none. */
  async token(): Promise<string | undefined> {
    const { token } = this.options;
    if (typeof token !== "function") return token;
    try {
      return (this.#token ??= await token());
    } catch (reason) {
      if (reason instanceof TidingsError) throw reason;
      throw new TidingsError("no_token", `no token could be had: ${(reason as Error | undefined)?.message ?? reason}`, true);
    }
  }

  /** Another token is needed; false if there is none to be had. */
  renew(): boolean {
    this.#token = undefined;
    return typeof this.options.token === "function";
  }

  /** Someone was heard: the token is good. */
  worked(): void {
    this.#expired = false;
  }

  /** What an error means for a connection. */
  endOf(error: TidingsError): End | "final" {
    // Whether it is the server or this rung is found out by a probe.
    if (/^(unreachable|foreign|timeout)$/.test(error.code)) return "blocked";
    if (error.code === "token_expired" && !this.#expired && this.renew()) {
      this.#expired = true;
      return "at_once";
    }
    return error.temporary ? "passing" : "final";
  }

  /** The answer, if it is not a refusal. */
  async request(url: string, { method = "GET", body, headers, signal, timeout }: Asked): Promise<Response> {
    const token = await this.token();
    const controller = new AbortController();
    const forget = whenAborted((reason) => controller.abort(reason), signal);
    const timer = timeout === undefined ? undefined : setTimeout(() => controller.abort(new TidingsError("timeout", "no answer in time", true)), timeout);
    try {
      const answer = await (this.options.fetch ?? fetch)(url, {
        method,
        cache: "no-store",
        credentials: this.options.credentials ?? "same-origin",
        headers: {
          ...headers,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...(this.session === undefined ? {} : { "Tidings-Session": this.session }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: controller.signal,
      });
      if (!answer.ok && answer.status !== 304) throw await refusal(answer);
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
  async json<Value>(url: string, asked: Asked): Promise<Value> {
    const answer = await this.request(url, { timeout: this.timings.request, ...asked });
    try {
      return (await answer.json()) as Value;
    } catch {
      throw foreign(answer);
    }
  }

  /** Makes this a client that the server knows, for what needs one. */
  async ensureSession(signal?: AbortSignal): Promise<void> {
    if (this.session !== undefined) return;
    this.known(await this.json(this.url("session"), { method: "POST", body: {}, signal }));
  }

  known({ client, session }: { client?: string; session?: string }): void {
    if (session === undefined) return;
    this.session = session;
    this.client = client;
  }

  /** Whether the server is well, seen by a plain request. It is not waited for longer than for a first frame that is asked for a third later. */
  async probe(): Promise<boolean> {
    try {
      const answer = await this.request(this.url("healthz"), { timeout: (this.timings.firstFrame * 2) / 3 });
      return answer.status === 200;
    } catch {
      return false;
    }
  }
}

export const foreign = (answer: Response): TidingsError =>
  new TidingsError("foreign", `${answer.url} was answered with ${answer.status} ${answer.headers.get("Content-Type") ?? "and no content"}, not by a Tidings server`, true);

async function refusal(answer: Response): Promise<TidingsError> {
  const after = Number(answer.headers.get("Retry-After") ?? NaN) * 1000;
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  if (!problem.code) return foreign(answer);
  return new TidingsError(problem.code, problem.detail ?? problem.code, passes(answer.status), after >= 0 ? after : undefined, problem.channels);
}
