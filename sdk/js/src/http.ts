// What every connection and request needs: the server's URL, who asks (the token and the session), and how patient it is.

import type { End } from "./connector.ts";
import { TidingsError } from "./errors.ts";
import { timings } from "./timings.ts";
import type { Options, Timings } from "./types.ts";

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
    if (typeof token !== "function") return token?.trim();
    try {
      // What is read from a file ends with a line.
      return (this.#token ??= (await token())?.trim());
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

  /** Whether this token is not the present one any more: another request has found out, too. */
  isOld(token: string | undefined): boolean {
    return typeof this.options.token === "function" && token !== this.#token;
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

  known({ client, session }: { client?: string; session?: string }): void {
    if (session === undefined) return;
    this.session = session;
    this.client = client;
  }

  /**
   * Whether the server is well, seen by a plain request, which shows nobody. It is not waited for longer than for a first frame that is asked
   * for a third later.
   */
  async probe(): Promise<boolean> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), (this.timings.firstFrame * 2) / 3);
    try {
      const answer = await this.fetch(this.url("healthz"), { signal: stop.signal });
      await answer.arrayBuffer();
      return answer.status === 200;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  fetch(url: string, init: RequestInit): Promise<Response> {
    const { fetch: own = fetch, credentials = "same-origin" } = this.options;
    return own(url, { cache: "no-store", credentials, ...init });
  }
}
