// Waiting that can be given up.

/** Calls once one of the signals is aborted, at once if one is already. Gives what stops listening. */
export function whenAborted(act: (reason: unknown) => void, ...signals: (AbortSignal | undefined)[]): () => void {
  const stop = (): void => {
    for (const signal of signals) signal?.removeEventListener("abort", abort);
  };
  const abort = (): void => {
    stop();
    act(signals.find((signal) => signal?.aborted)?.reason);
  };
  for (const signal of signals) signal?.addEventListener("abort", abort);
  if (signals.some((signal) => signal?.aborted)) abort();
  return stop;
}

/** Waits for a while, or until it is given up. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(done, ms);
    const forget = whenAborted(() => done(), signal);
  });
