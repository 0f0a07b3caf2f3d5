import assert from "node:assert/strict";
import { test } from "node:test";
import { SendingMemory } from "./sending-memory.ts";

const KIB = 1024;

test("SendingMemory.take() lends memory of the wanted size, and lends it again once it is released", () => {
  const pool = new SendingMemory(1024 * KIB);
  const first = pool.take(50_000);
  assert.equal(first?.bytes.length, 50_000);
  first?.release();
  first?.release();
  const second = pool.take(60_000);
  assert.equal(second?.bytes.buffer, first?.bytes.buffer);
  assert.equal(second?.bytes.length, 60_000);
  const third = pool.take(60_000);
  assert.notEqual(third?.bytes.buffer, second?.bytes.buffer);
});

test("SendingMemory lends no more than its limit, however the sizes change", () => {
  const pool = new SendingMemory(1024 * KIB);
  const sizes = [1, 70_000, 300_000, 500_000, 600_000, 64 * KIB, 200_000];
  const lent = [];
  for (let round = 0; round < 200; round++) {
    const taken = pool.take(sizes[round % sizes.length] ?? 1);
    if (taken === undefined) {
      for (const each of lent.splice(0)) each.release();
      assert.equal(pool.lentBytes, 0);
    } else {
      lent.push(taken);
      assert.ok(pool.lentBytes <= 1024 * KIB);
    }
  }
  assert.equal(pool.take(2_000 * KIB), undefined);
});

test("SendingMemory.charge() counts memory that others hold", () => {
  const pool = new SendingMemory(128 * KIB);
  pool.charge(100 * KIB);
  assert.equal(pool.take(64 * KIB), undefined);
  pool.charge(-100 * KIB);
  assert.equal(pool.take(64 * KIB)?.bytes.length, 64 * KIB);
});
