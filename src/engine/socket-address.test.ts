import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { createPrivateSocket } from "./socket-address.ts";

const skip = process.platform === "win32" && "pipes need no folder";

test(
  "createPrivateSocket() makes a folder for its user alone, elsewhere when that of temporary files cannot hold it",
  { skip },
  async () => {
    for (const temporaryFolder of ["/nowhere/at/all", `/tmp/${"long".repeat(30)}`, undefined]) {
      const socket = await createPrivateSocket(temporaryFolder);
      assert.ok(Buffer.byteLength(socket.path) < 104);
      assert.equal(statSync(dirname(socket.path)).mode & 0o777, 0o700);
      await socket[Symbol.asyncDispose]();
      assert.equal(existsSync(dirname(socket.path)), false);
    }
  },
);
