// The channel over a WebSocket: an upgrade of the channel's own URL, already subscribed to it.

import { learn } from '../clock.js';
import { byteLength, channelUrl, start } from '../protocol.js';

export const websocket = {
  id: 'websocket',
  title: 'WebSocket',
  requestLine: (path) => `new WebSocket("${path}")`,
  connect,
};

// RFC 6455 section 7.4 and the contract's own ranges: coming back with the same request will not help.
const isFinal = (code) => [1002, 1003, 1007, 1008, 1009].includes(code) || (code >= 4000 && code <= 4099);

function connect({ channel, position, sink }) {
  const url = channelUrl(channel, start(position));
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url, 'tidings.v1');
  socket.binaryType = 'arraybuffer';
  sink.request();
  const watch = new Watch(() => {
    socket.close();
    sink.lost({ text: 'Nothing was heard for too long.' });
  });
  let refusal;
  socket.onmessage = ({ data }) => {
    watch.heard();
    sink.bytes(frameLength(data));
    const envelope = typeof data === 'string' ? JSON.parse(data) : binaryEnvelope(data);
    if (envelope.type === 'hello') opened(socket, watch, envelope, sink);
    if (envelope.type === 'pong') learn(envelope.time, Date.now(), envelope.server_time);
    if (envelope.type === 'error') refusal = envelope;
    sink.envelope(envelope);
  };
  socket.onclose = ({ code, reason }) => {
    watch.stop();
    sink.lost({ text: refusal?.message ?? reason, final: isFinal(code), retryMs: refusal?.retry_ms });
  };
  return () => {
    watch.stop();
    socket.close();
  };
}

function opened(socket, watch, hello, sink) {
  watch.start(hello.heartbeat);
  sink.open();
  socket.send(JSON.stringify({ type: 'ping', time: Date.now() }));
}

/** Two bytes of the header's length, the envelope without `data`, the bytes. */
function binaryEnvelope(buffer) {
  const length = new DataView(buffer).getUint16(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 2, length)));
  return { ...header, data: new Uint8Array(buffer, 2 + length) };
}

/** Bytes of a frame from the server (RFC 6455 section 5.2: no mask, length in 7, 16 or 64 bits). */
function frameLength(data) {
  const payload = typeof data === 'string' ? byteLength(data) : data.byteLength;
  if (payload < 126) return 2 + payload;
  return payload < 65536 ? 4 + payload : 10 + payload;
}

/** A silent connection may be a dead one: the server breaks every silence after its heartbeat. */
class Watch {
  #limitMs = 0;
  #timer = null;
  #bite;

  constructor(bite) {
    this.#bite = bite;
  }

  start(heartbeatSeconds) {
    this.#limitMs = heartbeatSeconds * 2000 + 5000;
    this.heard();
  }

  heard() {
    if (this.#limitMs === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#bite, this.#limitMs);
  }

  stop() {
    this.#limitMs = 0;
    clearTimeout(this.#timer);
  }
}
