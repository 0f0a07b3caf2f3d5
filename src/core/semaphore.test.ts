import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Semaphore } from "./semaphore.ts";

suite("Semaphore", () => {
  test("lets no more than its permits go on, in the order in which they came", async () => {
    const semaphore = new Semaphore(2);
    const running = new Set<number>();
    const order: number[] = [];
    let most = 0;
    await Promise.all(
      Array.from({ length: 9 }, async (_, index) => {
        using _permit = await semaphore.acquire();
        running.add(index);
        order.push(index);
        most = Math.max(most, running.size);
        await new Promise(setImmediate);
        running.delete(index);
      }),
    );
    assert.equal(most, 2);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("gets the permit of a holder that failed back", async () => {
    const semaphore = new Semaphore(1);
    await assert.rejects(async () => {
      using _permit = await semaphore.acquire();
      throw new Error("failed");
    });
    assert.equal(semaphore.isExhausted, false);
    using _permit = await semaphore.acquire();
    assert.equal(semaphore.isExhausted, true);
  });

  test("tells how many wait", async () => {
    const semaphore = new Semaphore(1);
    const first = await semaphore.acquire();
    const second = semaphore.acquire();
    const third = semaphore.acquire();
    assert.equal(semaphore.waiting, 2);
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
    (await third)[Symbol.dispose]();
    assert.equal(semaphore.waiting, 0);
  });
});
