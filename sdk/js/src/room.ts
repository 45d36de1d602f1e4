// A channel with who is there, and with requests that can be answered.

import { Channel } from "./channel.ts";
import type { Frame } from "./frames.ts";
import { unwrapped } from "./inbox.ts";
import { Presence, memberList } from "./presence.ts";
import { json } from "./requests.ts";
import type { Cancel, Events, Member, PublishOptions, Receipt } from "./types.ts";

export class Room<E extends object = Events> extends Channel<E> {
  #presence: Presence | undefined;

  /** Who is there now. With `presence: true` it is what `$presence` told last, else the server is asked. */
  async presence({ signal }: Cancel = {}): Promise<readonly Member[]> {
    return this.#presence?.members ?? (await memberList(this.engine, this.name, signal)).clients;
  }

  /** Ends the channel for all, with a last message or none: its readers get everything, then `$closed`. */
  async end(data?: unknown, { event, signal }: Pick<PublishOptions, "event" | "signal"> = {}): Promise<Receipt> {
    const { http } = this.engine;
    const parameters: [string, string][] = [["name", this.name], ["close", "true"]];
    if (event !== undefined) parameters.push(["event", event]);
    return json(http, http.url("channels", parameters), { method: "POST", body: data, signal });
  }

  /** @internal */
  override deliver(frame: Frame): void {
    super.deliver(frame.type === "message" ? unwrapped(this.engine, frame) : frame);
  }

  /** @internal */
  protected override enter(): void {
    super.enter();
    if (this.options.presence) this.#presence = new Presence(this.engine, this.name, (name, value) => this.emitter.emit(name, value));
  }

  /** @internal */
  protected override leave(): void {
    this.#presence?.close();
    this.#presence = undefined;
    super.leave();
  }
}
