// Which rung worked, kept for a short time and for one kind of network, so that a reload does not go down the ladder again.

import type { Extension } from "./engine.ts";

interface Kept {
  name: string;
  network: string;
  until: number;
}

const network = (): string => String((globalThis.navigator as { connection?: { type?: string } } | undefined)?.connection?.type);

/** Nothing where there is no `sessionStorage`, or it is forbidden. */
export const memory =
  (url: string): Extension =>
  ({ link, http, transports }) => {
    const key = `tidings.rung ${url}`;
    try {
      const kept = JSON.parse(sessionStorage.getItem(key) ?? "{}") as Partial<Kept>;
      if (kept.until && kept.until > Date.now() && kept.network === network()) link.prefer(kept.name);
    } catch {
      return;
    }
    link.settled = (name) => {
      // Another tab's connection is not a rung of this ladder.
      if (name === "tab") return;
      link.prefer(name);
      const kept: Kept = { name, network: network(), until: Date.now() + http.timings.remember };
      try {
        if (name === transports[0]?.name) sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, JSON.stringify(kept));
      } catch {
        // It is full: the next page begins at the top.
      }
    };
  };
