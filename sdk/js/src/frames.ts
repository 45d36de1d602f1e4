// What comes from the server (PROTOCOL.md section 3), and how its bytes become values.

import type { Closed, Gap, Message, Receipt, Skip, StateChange } from "./types.ts";

export interface Place {
  epoch: string;
  offset: number;
  /** False: a gap up to this place follows. */
  recovered?: boolean;
}

export interface Hello {
  type: "hello";
  client: string;
  session: string;
  user?: string;
  /** Seconds. */
  heartbeat: number;
  channels: Record<string, Place>;
}

/** The answer to a command. */
export interface Answer extends Partial<Receipt> {
  type: "ack";
  id?: number | string;
  client?: string;
  session?: string;
}

export interface ErrorFrame {
  type: "error";
  id?: number | string;
  code: string;
  message: string;
  temporary: boolean;
  retry_ms?: number | undefined;
  channel?: string;
}

/** A poll's cursor: where all these channels go on. */
export interface Cursor {
  type: "cursor";
  cursor: string;
  names: string[];
}

export type Frame =
  | Message
  | Gap
  | Skip
  | Closed
  | Hello
  | Answer
  | ErrorFrame
  | Cursor
  | ({ type: "subscribed"; channel: string; id?: number } & Place)
  | { type: "unsubscribed"; channel: string; id?: number; reason?: string }
  | { type: "reconnect"; after_ms: number }
  | { type: "expiring"; in_ms: number }
  | { type: "ping" | "pong" }
  // Of another tab, not of the server.
  | { type: "state"; change: StateChange };

const bytes = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** A frame of text. */
export function decode(text: string): Frame {
  return plain(JSON.parse(text) as Frame);
}

/** A frame with its payload as it was published. */
export function plain(frame: Frame): Frame {
  if (frame.type === "message" && (frame as { encoding?: string }).encoding === "base64") {
    return { ...frame, data: bytes(frame.data as string) };
  }
  return frame;
}

/** A binary frame: two bytes of length, the envelope, the payload (PROTOCOL.md section 6). */
export function decodeBinary(buffer: ArrayBuffer): Frame {
  const end = 2 + new DataView(buffer).getUint16(0);
  const header = JSON.parse(new TextDecoder().decode(buffer.slice(2, end))) as Message;
  return { ...header, data: new Uint8Array(buffer, end) };
}

/** Bytes as they stand in JSON. */
export function toBase64(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
}
