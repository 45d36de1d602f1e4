// What goes wrong, as one class of errors.

import type { ErrorFrame } from "./frames.ts";

/**
 * A refusal of the server (`code` as in PROTOCOL.md section 10), or of this client: `unreachable`, `foreign` (an answer that is not this
 * server's), `queue_full`, `no_posting`, `unknown_outcome`, `too_slow`, `closed`, `failed`, `timeout`, `refused` (by who was asked),
 * `no_token` (the function that gives tokens failed; what it throws as a `TidingsError` is taken as it is).
 */
export class TidingsError extends Error {
  override readonly name = "TidingsError";
  readonly code: string;
  /** Whether the same may work later. */
  readonly temporary: boolean;
  /** Not sooner than in so many milliseconds. */
  readonly retryAfter: number | undefined;
  /** The channels that are refused, where the refusal is about some. */
  readonly channels: readonly string[] | undefined;

  constructor(code: string, message: string, temporary = false, retryAfter?: number, channels?: readonly string[]) {
    super(message);
    this.code = code;
    this.temporary = temporary;
    this.retryAfter = retryAfter;
    this.channels = channels;
  }
}

/** What a connection ends with that broke, or never was. */
export const unreachable = (message: string): TidingsError => new TidingsError("unreachable", message, true);

/** A refusal as the server tells it in a frame. */
export const refusalOf = ({ code, message, temporary, retry_ms }: Omit<ErrorFrame, "type">): TidingsError => new TidingsError(code, message, temporary, retry_ms);

/** Statuses after which the same request may work later (PROTOCOL.md section 10). */
export const passes = (status: number): boolean => status >= 500 || status === 408 || status === 429;

/** A value as an error. */
export const asError = (reason: unknown): TidingsError =>
  reason instanceof TidingsError ? reason : unreachable(String((reason as Error | undefined)?.message ?? reason));
