// What goes wrong, as one class of errors.

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

/** Statuses after which the same request may work later (PROTOCOL.md section 10). */
export const passes = (status: number): boolean => status >= 500 || status === 408 || status === 429;

/** A value as an error. */
export const asError = (reason: unknown): TidingsError =>
  reason instanceof TidingsError ? reason : new TidingsError("unreachable", String((reason as Error | undefined)?.message ?? reason), true);
