import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { nextTurn } from "./next-turn.ts";

suite("nextTurn", () => {
  test("gives every caller a turn of the event loop of its own", async () => {
    let turn = 0;
    let counts = true;
    const count = (): void => {
      turn++;
      if (counts) setImmediate(count);
    };
    setImmediate(count);
    const turns = await Promise.all(
      Array.from({ length: 8 }, async () => {
        await nextTurn();
        return turn;
      }),
    );
    counts = false;
    assert.equal(new Set(turns).size, 8);
    assert.ok(!turns.includes(0), "the turn in which it was asked for is nobody's");
  });
});
