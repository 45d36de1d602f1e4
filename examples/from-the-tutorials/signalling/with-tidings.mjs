// `~` is the inbox of this client, `from.client` who wrote: stamped by the server, so nobody signs as another.
export function peer(tidings, handlers) {
  const inbox = tidings.channel("~");
  for (const [type, handle] of Object.entries(handlers)) inbox.on(type, ({ from, data }) => handle(from.client, data));
  return {
    id: inbox.ready().then(() => tidings.client),
    send: (type, targetId, payload) => tidings.peer(targetId).send(payload, { event: type }),
  };
}
