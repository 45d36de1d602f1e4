// A page that opens sees the newest figures at once.
export async function measure(tidings, figures) {
  for (const [event, value] of Object.entries(figures)) await tidings.publish("metrics", { value }, { event });
}

export function watch(tidings, show) {
  const metrics = tidings.channel("metrics", { last: 3 });
  for (const name of ["cpu", "memory", "disk"]) metrics.on(name, ({ data }) => show(name, data.value));
  return () => metrics.close();
}
