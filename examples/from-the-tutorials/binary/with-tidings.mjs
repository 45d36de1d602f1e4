// A `Uint8Array` is one on the other side, whatever the transport.
export function connect(tidings, take) {
  const channel = tidings.channel("bytes");
  channel.on("message", ({ data }) => data instanceof Uint8Array && take(data));
  return (bytes) => channel.publish(bytes);
}
