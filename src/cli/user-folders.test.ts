import assert from "node:assert/strict";
import { test } from "node:test";
import { userCacheFolder, userDataFolder } from "./user-folders.ts";

test("userDataFolder() and userCacheFolder() follow each platform's custom", () => {
  const env = { HOME: "/home/ada", LOCALAPPDATA: "/local" };
  assert.equal(userDataFolder(env, "linux"), "/home/ada/.local/share/mcp-image-server");
  assert.equal(userDataFolder({ ...env, XDG_DATA_HOME: "/data" }, "linux"), "/data/mcp-image-server");
  assert.equal(userDataFolder(env, "darwin"), "/home/ada/Library/Application Support/mcp-image-server");
  assert.equal(userDataFolder(env, "win32"), "/local/mcp-image-server");
  assert.equal(userCacheFolder(env, "linux"), "/home/ada/.cache/mcp-image-server");
  assert.equal(userCacheFolder({ ...env, XDG_CACHE_HOME: "/cache" }, "linux"), "/cache/mcp-image-server");
  assert.equal(userCacheFolder(env, "darwin"), "/home/ada/Library/Caches/mcp-image-server");
  assert.equal(userCacheFolder(env, "win32"), "/local/mcp-image-server/cache");
});
