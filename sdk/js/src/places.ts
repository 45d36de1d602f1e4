// Where a reader stands on a channel: what to ask for, which entries were seen, whether any are missing. Pure.

import type { Frame } from "./frames.ts";
import type { Ask } from "./transport.ts";
import type { ChannelOptions } from "./types.ts";

/** Who gets what comes on a channel. */
export interface Consumer {
  deliver(frame: Frame): void;
}

export class Place {
  readonly name: string;
  readonly consumers: Set<Consumer> = new Set();
  epoch: string | undefined;
  offset = 0;
  /** A poll's cursor that is newer than the position. */
  cursor: string | undefined;
  start: ChannelOptions;
  /** The epoch before: it does not come back, but another connection may still tell of it. */
  #left: string | undefined;

  constructor(name: string, start: ChannelOptions) {
    this.name = name;
    this.start = start;
  }

  /** The cursor of what was seen last. */
  get after(): string | undefined {
    return this.cursor ?? (this.epoch && `${this.epoch}-${this.offset}`);
  }

  /** Hands it to all who read the channel. */
  give(frame: Frame): void {
    for (const consumer of [...this.consumers]) consumer.deliver(frame);
  }

  ask(): Ask {
    const { last, join } = this.start;
    const after = this.after ?? this.start.after ?? (last === undefined ? "now" : undefined);
    return {
      name: this.name,
      after,
      last: after === undefined ? last : undefined,
      join: join === undefined || join === false ? undefined : true,
      info: join === true || join === false ? undefined : join,
    };
  }

  /** What of a frame is to be handed out, in order. */
  accept(frame: Frame): Frame[] {
    switch (frame.type) {
      case "cursor":
        this.cursor = frame.cursor;
        return [];
      case "subscribed":
        // Where it stands behind a gap, the gap is still to be told.
        if (this.after === undefined && frame.recovered !== false) this.#move(frame.epoch, frame.offset);
        return [];
      case "message": {
        const { epoch, offset } = frame;
        return epoch === undefined || offset === undefined ? [frame] : this.#entry(frame, epoch, offset, offset);
      }
      case "gap": {
        const { epoch, from, to } = frame;
        if (from === null || epoch !== this.epoch) return this.#entry(frame, epoch, undefined, to);
        // What came over another connection is not lost.
        return this.#entry(from > this.offset ? frame : { ...frame, from: this.offset + 1 }, epoch, Math.max(from, this.offset + 1), to);
      }
      case "skip":
        return this.#entry(frame, frame.epoch, frame.from, frame.to);
      default:
        return [frame];
    }
  }

  /** An entry from one offset to another; `from` is absent where all before it is known to be lost. */
  #entry(frame: Frame, epoch: string, from: number | undefined, to: number): Frame[] {
    const same = epoch === this.epoch;
    if (epoch === this.#left) return [];
    if (same && to <= this.offset) return [];
    const next = same ? this.offset + 1 : 1;
    const known = this.epoch !== undefined;
    this.#move(epoch, to);
    if (!known || from === undefined || (same && from <= next)) return [frame];
    return [{ type: "gap", channel: this.name, epoch, from: same ? next : null, to: from - 1, reason: "unknown" }, frame];
  }

  #move(epoch: string, offset: number): void {
    if (epoch !== this.epoch) this.#left = this.epoch;
    this.epoch = epoch;
    this.offset = offset;
    this.cursor = undefined;
  }
}
