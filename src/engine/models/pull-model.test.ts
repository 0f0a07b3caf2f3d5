import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import test, { after, describe } from "node:test";
import type { Clock } from "../../core/clock.ts";
import { systemClock } from "../../core/clock.ts";
import { MCPImageError } from "../../core/errors.ts";
import { FakeModelHub, type HubFault } from "../../testing/fake-model-hub.ts";
import { writeTinyModel } from "../../testing/tiny-models.ts";
import { parseHubAddress } from "./hub-address.ts";
import { pullModel, type PullModelOptions, type PullProgress } from "./pull-model.ts";

const root = await mkdtemp(join(tmpdir(), "engine-test-"));
after(() => rm(root, { recursive: true }));
await writeTinyModel(join(root, "source"), "sd-turbo");
const MODEL = readFolder(join(root, "source"));
const UNET = "unet/model.onnx";
/** Pauses between attempts take no time. */
const hastyClock: Clock = {
  ...systemClock,
  sleep: async (delayMs, signal) => systemClock.sleep(delayMs < 30_000 ? 0 : delayMs, signal),
};

describe("pullModel()", () => {
  test("pullModel() fetches what the engine needs, checks it, and leaves the rest", async () => {
    await using hub = await hubWith({ "unet/diffusion_pytorch_model.safetensors": "x", "README.md": "y" });
    const progress: PullProgress[] = [];
    const folder = await pull(hub, { onProgress: (news) => progress.push(news) });
    assert.deepEqual(readFolder(folder), MODEL);
    const totalBytes = Object.values(MODEL).reduce((sum, content) => sum + content.length, 0);
    assert.equal(progress.at(-1)?.doneBytes, totalBytes);
    assert.equal(
      progress.every((news, i) => news.doneBytes >= (progress[i - 1]?.doneBytes ?? 0)),
      true,
    );
  });

  test("pullModel() goes on where a connection broke, as often as it brings something", async () => {
    const size = MODEL[UNET]?.length ?? 0;
    const cuts = Array.from({ length: 6 }, (): HubFault => ({ kind: "cut", bytes: 200 }));
    await using hub = await hubWith({}, cuts);
    const folder = await pull(hub);
    assert.deepEqual(await readFile(join(folder, UNET)), MODEL[UNET]);
    const ranges = hub.requests.filter(({ path }) => path.endsWith(UNET)).map(({ range }) => range);
    assert.ok(size > 1200);
    assert.deepEqual(ranges, [undefined, ...[200, 400, 600, 800, 1000, 1200].map((from) => `bytes=${from}-`)]);
  });

  test("pullModel() goes on in the next call, and fetches whole files no second time", async () => {
    const faults: HubFault[] = [{ kind: "cut", bytes: 300 }, ...statuses(503, 9)];
    await using hub = await hubWith({}, faults);
    const folder = join(root, "resumed");
    await assert.rejects(pull(hub, { folder }), hasCode("upstream_unavailable", /answers with status 503/));
    assert.equal(existsSync(folder), false);
    hub.faults.clear();
    const before = hub.requests.length;
    await pull(hub, { folder });
    const fetched = hub.requests.slice(before).filter(({ path }) => path.includes("/resolve/"));
    assert.equal(fetched[0]?.range, "bytes=300-");
    assert.equal(fetched[0]?.path, `/owner/name/resolve/main/${UNET}`);
    assert.deepEqual(readFolder(folder), MODEL);
  });

  test("pullModel() starts anew where the hub does not go on, or goes on with something else", async () => {
    for (const second of [{ kind: "ignore_range" }, { kind: "damage" }] as const) {
      await using hub = await hubWith({}, [{ kind: "cut", bytes: 100 }, second]);
      assert.deepEqual(await readFile(join(await pull(hub), UNET)), MODEL[UNET]);
    }
  });

  test("pullModel() refuses a file whose checksum stays wrong", async () => {
    await using hub = await hubWith({}, [{ kind: "damage" }, { kind: "damage" }]);
    await assert.rejects(pull(hub), hasCode("upstream_error", /unet\/model\.onnx arrived damaged/));
  });

  test("pullModel() says why a model cannot be fetched", async () => {
    await using hub = await hubWith({});
    await assert.rejects(pull(hub, { address: `${hub.url}/owner/other` }), hasCode("not_found", /nothing at/));
    for (const status of [401, 403]) {
      hub.faults.set(UNET, statuses(status, 1));
      await assert.rejects(pull(hub), hasCode("upstream_auth_failed", /set HUB_TOKEN/));
    }
    await using empty = await new FakeModelHub({ "README.md": "x" }).listen();
    await assert.rejects(pull(empty), hasCode("not_found", /no model_index\.json in owner\/name/));
    await using other = await new FakeModelHub({ "model_index.json": '{"_class_name":"FluxPipeline"}' }).listen();
    await assert.rejects(pull(other), hasCode("configuration_invalid", /./));
    const gone = await new FakeModelHub({}).listen();
    await gone[Symbol.asyncDispose]();
    await assert.rejects(
      pull(gone),
      hasCode("upstream_unavailable", /Cannot reach 127\.0\.0\.1:\d+.*without a network/),
    );
  });

  test("pullModel() shows its token to the hub alone, also when that redirects", async () => {
    await using hub = await hubWith({});
    await using store = await hubWith({});
    hub.storeUrl = store.url;
    await pull(hub, { token: "secret" });
    assert.equal(
      hub.requests.every(({ authorization }) => authorization === "Bearer secret"),
      true,
    );
    assert.equal(store.requests.length > 0, true);
    assert.equal(
      store.requests.every(({ authorization }) => authorization === undefined),
      true,
    );
  });

  test("pullModel() writes nothing outside of its folder, whatever the hub lists", async () => {
    await using hub = await hubWith({ "tokenizer/../../evil.json": "x", "unet/../../../evil.onnx": "x" });
    const folder = await pull(hub);
    assert.deepEqual(readFolder(folder), MODEL);
  });

  test("pullModel() does not touch a folder that is there", async () => {
    await using hub = await hubWith({});
    await assert.rejects(pull(hub, { folder: root }), hasCode("image_exists", /exists already/));
    assert.equal(hub.requests.length, 0);
  });
});

test("parseHubAddress() reads an address with or without a revision and a folder", () => {
  const plain = { origin: "https://hub.example", repository: "owner/name", revision: "main", folder: "" };
  assert.deepEqual(parseHubAddress("https://hub.example/owner/name"), plain);
  assert.deepEqual(parseHubAddress("https://hub.example/owner/name/tree/v1/onnx/fp16"), {
    ...plain,
    revision: "v1",
    folder: "onnx/fp16",
  });
  const wrong = [
    "owner/name",
    "ftp://hub.example/owner/name",
    "https://hub.example/owner",
    "https://u:p@hub.example/a/b",
  ];
  for (const text of [...wrong, "https://hub.example/a/b/blob/main", "https://hub.example/a/b/tree/main/a%2Fb"]) {
    assert.throws(() => parseHubAddress(text), hasCode("invalid_argument", /is not the address of a model/), text);
  }
});

async function hubWith(extra: Readonly<Record<string, string>>, faults: HubFault[] = []): Promise<FakeModelHub> {
  const hub = await new FakeModelHub({ ...MODEL, ...extra }).listen();
  hub.faults.set(UNET, faults);
  return hub;
}

let pulled = 0;

async function pull(
  hub: FakeModelHub,
  options: Partial<Omit<PullModelOptions, "address">> & { readonly address?: string } = {},
): Promise<string> {
  const { address = `${hub.url}/owner/name`, folder = join(root, `pulled-${++pulled}`), onProgress, ...rest } = options;
  await pullModel({
    signal: new AbortController().signal,
    onProgress: (progress) => {
      onProgress?.(progress);
      hub.breakOff();
    },
    clock: hastyClock,
    ...rest,
    folder,
    address: parseHubAddress(address),
  });
  return folder;
}

function statuses(status: number, count: number): HubFault[] {
  return Array.from({ length: count }, () => ({ kind: "status", status }));
}

function readFolder(folder: string): Record<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}

function hasCode(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MCPImageError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}
