import assert from "node:assert/strict";
import { test } from "node:test";
import { BufferPool } from "../core/buffer-pool.ts";
import { GrowingBuffer } from "./growing-buffer.ts";

test("GrowingBuffer keeps what arrives, and what is inserted near its beginning, whatever room there was", () => {
  for (const headroomBytes of [0, 3, 5, 100]) {
    for (const initialBytes of [0, 4, 100]) {
      const buffer = new GrowingBuffer({ initialBytes, headroomBytes });
      buffer.append(Buffer.from("head"));
      buffer.append(Buffer.from("tail"));
      assert.equal(buffer.appendBase64(Buffer.from("end").toString("base64"), 3), 3);
      buffer.insert(4, Buffer.from("-put-"));
      buffer.insert(0, Buffer.from("<"));
      assert.equal(buffer.bytes.toString(), "<head-put-tailend");
      buffer.truncate(10);
      buffer.append(Buffer.from("!"));
      assert.equal(buffer.bytes.toString(), "<head-put-!");
      assert.equal(buffer.length, 11);
    }
  }
});

test("GrowingBuffer.release() gives its memory to the next one, and its bytes are no longer seen through it", () => {
  const pool = new BufferPool({ maxBytes: 1000 });
  const first = new GrowingBuffer({ initialBytes: 100, pool });
  first.append(Buffer.from("first"));
  const { buffer: memory } = first.bytes;
  first.release();
  assert.equal(first.length, 0);
  const second = new GrowingBuffer({ initialBytes: 100, pool });
  second.append(Buffer.from("second"));
  assert.equal(second.bytes.buffer, memory);
  // Again, so that the same memory would be lent twice if a second release gave it back once more.
  first.release();
  assert.notEqual(new GrowingBuffer({ initialBytes: 100, pool }).bytes.buffer, memory);
});

test("GrowingBuffer gives the memory that it has outgrown back to its pool", () => {
  const pool = new BufferPool({ maxBytes: 1000 });
  const buffer = new GrowingBuffer({ initialBytes: 100, pool });
  buffer.append(Buffer.alloc(150, 1));
  assert.equal(pool.freeBytes, 100);
  assert.ok(buffer.bytes.equals(Buffer.alloc(150, 1)));
});

test("BufferPool keeps at most its bytes, lends no buffer that is too small or far too large, and forgets the oldest", () => {
  const pool = new BufferPool({ maxBytes: 250 });
  const [small, middle, large] = [pool.lend(50), pool.lend(100), pool.lend(300)];
  for (const buffer of [small, middle, large]) pool.takeBack(buffer);
  assert.equal(pool.freeBytes, 150);
  assert.notEqual(pool.lend(10), small);
  assert.equal(pool.lend(60), middle);
  pool.takeBack(middle);
  pool.takeBack(pool.lend(120));
  assert.equal(pool.freeBytes, 220);
  assert.notEqual(pool.lend(50), small);
});
