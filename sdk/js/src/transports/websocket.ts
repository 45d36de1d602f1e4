// WebSocket (PROTOCOL.md section 6): one connection without a name in its URL, all else by commands.

import { TidingsError, asError, refusalOf, unreachable } from "../errors.ts";
import { decode, decodeBinary, type ErrorFrame, type Frame } from "../frames.ts";
import type { Ask, Connection, Sink, Transport } from "../transport.ts";

const constructorOf = (given?: typeof WebSocket): typeof WebSocket | undefined => given ?? globalThis.WebSocket;

/** Final by what RFC 6455 says of them, or by PROTOCOL.md. */
const isFinal = (code: number): boolean => (code >= 1002 && code <= 1009 && code !== 1006 && code !== 1005) || (code >= 4000 && code < 4100);

const subscribe = ({ name, ...rest }: Ask, id: number): object => ({ type: "subscribe", id, channel: name, ...rest });

export const websocket: Transport = {
  name: "websocket",
  usable: (http) => Boolean(constructorOf(http.options.WebSocket)),
  open(http, sink): Connection {
    let socket: WebSocket | undefined;
    let over = false;
    let opened = false;
    let id = 0;
    let complaint: ErrorFrame | undefined;
    // What was asked for, by the id of the command.
    const asked = new Map<number, string>();
    // Own inboxes, `@` and `~`, by their whole names: only by these they are ended.
    const inboxes = new Map<string, string>();

    const say = (command: object): void => socket?.send(JSON.stringify(command));
    const read = (asks: Ask[]): void => {
      for (const ask of asks) {
        asked.set(++id, ask.name);
        say(subscribe(ask, id));
      }
    };
    const end: Sink["end"] = (kind, error) => {
      if (over) return;
      over = true;
      sink.end(kind, error);
    };
    const take = (frame: Frame): void => {
      if (over) return;
      if (frame.type === "error") {
        const channel = asked.get(frame.id as number);
        if (channel !== undefined) {
          asked.delete(frame.id as number);
          // Where it is asked for anew since, that answer counts.
          if ([...asked.values()].includes(channel)) return;
          return sink.frame({ ...frame, channel });
        }
        if (frame.id === 0 || frame.id === undefined) complaint = frame;
        // Who this is was refused.
        if (frame.id === 0) return finish(4000);
      }
      if (frame.type === "subscribed") {
        const name = asked.get(frame.id as number);
        if (name === "@" || name === "~") inboxes.set(name, frame.channel);
        asked.delete(frame.id as number);
      }
      // It was on its way when the channel was begun anew.
      else if (asked.size && frame.type !== "ack" && "channel" in frame && [...asked.values()].includes(frame.channel as string)) return;
      sink.frame(frame);
    };
    const finish = (code: number): void => {
      const error = complaint && refusalOf(complaint);
      if (code >= 4200) return end("at_once", error);
      // The complaint says more than the code that follows it.
      if (error) return end(http.endOf(error), error);
      if (isFinal(code)) return end("final", new TidingsError("closed", `the server closed the WebSocket with ${code}`));
      end(opened ? "lost" : "blocked", unreachable(opened ? `the WebSocket broke (${code})` : "the WebSocket did not open"));
    };

    const begin = async (): Promise<void> => {
      const token = await http.token();
      if (over) return;
      const Socket = constructorOf(http.options.WebSocket) as typeof WebSocket;
      socket = new Socket(http.url("channels", [], true).replace(/^http/, "ws"), "tidings.v1");
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        opened = true;
        const { session } = http;
        if (token !== undefined || session !== undefined) say({ type: "auth", id: 0, token, session });
        read(sink.asks());
      };
      socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
        let frame: Frame;
        try {
          frame = typeof data === "string" ? decode(data) : decodeBinary(data);
        } catch {
          // Not this server's: something else took the connection.
          return finish(1006);
        }
        take(frame);
      };
      socket.onclose = ({ code }) => finish(code);
      // The end says it, too. Without a listener the package `ws` throws it.
      socket.onerror = () => {};
    };
    begin().catch((reason: unknown) => {
      const error = asError(reason);
      end(http.endOf(error), error);
    });

    return {
      send: say,
      renew: (token) => say({ type: "auth", id: "auth", token, session: http.session }),
      change(added, removed) {
        // Before it opens nothing was asked: what is to be read is looked up then.
        if (!opened) return;
        for (const channel of removed) say({ type: "unsubscribe", id: ++id, channel: inboxes.get(channel) ?? channel });
        read(added);
      },
      close(last) {
        over = true;
        if (!socket) return;
        socket.onopen = socket.onmessage = socket.onclose = null;
        // 1000 ends memberships at once; with another code they wait for the client to come back.
        socket.close(last ? 1000 : 3000);
      },
    };
  },
};
