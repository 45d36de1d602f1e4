// Keeps where a page stands on its channels, and who it is, over a reload. Taken out of the storage at once, so that a tab that is
// duplicated does not become the same client twice.

import type { Extension } from "./engine.ts";
import type { Options } from "./types.ts";

interface Kept {
  session?: string;
  places: Record<string, string>;
}

export const persistence =
  (url: string, storage: NonNullable<Options["persist"]>): Extension =>
  ({ http, kept, places }, signal) => {
    const key = `tidings.places ${url}`;
    const tried = (act: (store: Pick<Storage, "getItem" | "setItem" | "removeItem">) => void): void => {
      try {
        act(storage === true || !storage ? sessionStorage : storage);
      } catch {
        // It is forbidden, full, or holds something else: the page begins as any.
      }
    };
    const take = (): void =>
      tried((store) => {
        const found = JSON.parse(store.getItem(key) ?? "null") as Kept | null;
        store.removeItem(key);
        if (!found) return;
        http.session ??= found.session;
        Object.assign(kept, found.places);
      });
    const keep = (): void => {
      const found: Kept = { places: {}, ...(http.session && { session: http.session }) };
      for (const { name, after } of places.values()) if (after) found.places[name] = after;
      tried((store) => store.setItem(key, JSON.stringify(found)));
    };
    const on = (name: string, act: () => void): void => globalThis.addEventListener?.(name, act, { signal });
    on("pagehide", keep);
    // A phone may end a page that is out of sight without a word.
    on("visibilitychange", () => (document.visibilityState === "hidden" ? keep() : tried((store) => store.removeItem(key))));
    take();
    signal.addEventListener("abort", keep);
  };
