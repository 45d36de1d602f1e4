// What an application may be handed: a run without holes, or a gap where there is one, and nothing twice.

import assert from 'node:assert/strict';

/** Every offset that is handed out, skipped or told lost stands once, in order; epochs change by a gap alone. */
export function inOrder(handed) {
  let epoch;
  let at;
  for (const frame of handed) {
    if (frame.type === 'message' && frame.offset === undefined) continue;
    const [from, to] = frame.type === 'message' ? [frame.offset, frame.offset] : [frame.from, frame.to];
    const said = JSON.stringify({ epoch, at, frame });
    if (epoch === undefined) {
      // The first thing of all may stand anywhere.
    } else if (frame.epoch !== epoch) {
      assert.equal(frame.type, 'gap', `another epoch without a gap: ${said}`);
      assert.equal(from, null, said);
    } else if (from === null) {
      assert.equal(frame.type, 'gap', said);
      assert.ok(to > at, said);
    } else {
      assert.ok(from <= at + 1, `a hole: ${said}`);
      assert.ok(to > at, `twice: ${said}`);
      if (frame.type === 'message') assert.equal(from, at + 1, said);
    }
    ({ epoch } = frame);
    at = to;
  }
}
