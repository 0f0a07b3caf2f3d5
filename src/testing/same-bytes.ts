import assert from "node:assert/strict";

/** As `assert.deepEqual`, without printing two pictures when they differ. */
export function assertSameBytes(actual: Uint8Array | undefined, expected: Uint8Array | undefined): void {
  const isSame = actual !== undefined && expected !== undefined && Buffer.compare(actual, expected) === 0;
  assert.equal(
    isSame,
    true,
    `${actual?.length ?? "no"} bytes are not the ${expected?.length ?? "none"} that were expected`,
  );
}
