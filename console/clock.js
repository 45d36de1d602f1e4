// The server's clock as this machine sees it, so that a latency across two machines means something.

let offset = 0;
let best = Infinity;

/** Unix milliseconds by the server's clock. */
export function serverNow() {
  return Date.now() + offset;
}

/** Learns from one question and its answer; the quickest answer says most. */
export function learn(sent, received, serverTime) {
  const roundTrip = received - sent;
  if (roundTrip > best) return;
  best = roundTrip;
  const measured = serverTime - (sent + received) / 2;
  // Closer than the measurement can see: the same clock.
  offset = Math.abs(measured) <= roundTrip / 2 + 2 ? 0 : measured;
}
