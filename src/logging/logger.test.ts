import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { StorageError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { loadLogDestination, wantsColor, type LogDestinationOptions } from "./log-destination.ts";
import { configureLogging, getLogger, withLogFields, type LogFields, type LoggingOptions } from "./logger.ts";

const CANARY = "c4nary";
const clock = { nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
const START = { timestamp: "2026-01-02T03:04:05.006Z", service: "pictures" };

/** Configures logging so that lines arrive in the list that is given back. */
function captureLines(options: Partial<LoggingOptions> = {}): string[] {
  const lines: string[] = [];
  configureLogging({
    service: "pictures",
    level: "DEBUG",
    clock,
    destination: { write: (line) => lines.push(line) },
    ...options,
  });
  return lines;
}

/** The one line that a single entry makes, parsed. */
function entryOf(fields: LogFields): Record<string, unknown> {
  const lines = captureLines();
  getLogger("storage").info("image_saved", fields);
  assert.equal(lines.length, 1);
  return JSON.parse(lines[0] ?? "") as Record<string, unknown>;
}

async function capturePretty(options: Partial<LogDestinationOptions>): Promise<string[]> {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line) };
  captureLines({
    destination: await loadLogDestination({ format: "auto", isTerminal: true, env: {}, sink, ...options }),
  });
  return lines;
}

describe("getLogger()", () => {
  // Proves: LOGS-1
  test("writes one JSON line with level, timestamp, service, component, fields and event", () => {
    const lines = captureLines();
    getLogger("storage").info("image_saved", { image_id: "img_1", size: 12, nothing: undefined });
    assert.deepEqual(lines, [
      '{"level":"info","timestamp":"2026-01-02T03:04:05.006Z","service":"pictures","component":"storage",' +
        '"image_id":"img_1","size":12,"event":"image_saved"}\n',
    ]);
  });

  test("writes the level as a word", () => {
    const lines = captureLines();
    const logger = getLogger("storage");
    for (const level of ["debug", "info", "warn", "error"] as const) logger[level]("tick");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { level: string }).level),
      ["debug", "info", "warning", "error"],
    );
  });

  test("leaves out lines below the level, which may be given in any case", () => {
    for (const [level, expected] of [
      ["DEBUG", 4],
      ["info", 3],
      ["WARNING", 2],
      ["Warn", 2],
      ["ERROR", 1],
      ["CRITICAL", 0],
    ] as const) {
      const lines = captureLines({ level });
      const logger = getLogger("storage");
      logger.debug("tick");
      logger.info("tick");
      logger.warn("tick");
      logger.error("tick");
      assert.equal(lines.length, expected, level);
    }
  });

  test("may be called before logging is configured, and follows a new configuration", () => {
    const logger = getLogger("early");
    const first = captureLines();
    logger.info("one");
    const second = captureLines({ service: "other" });
    logger.info("two");
    assert.equal(first.length, 1);
    assert.match(second.join(""), /"service":"other","component":"early","event":"two"/);
  });

  test("keeps its own keys apart from fields of the same name", () => {
    const fields = { level: "l", timestamp: "t", service: "s", component: "c", event: "e" };
    assert.deepEqual(entryOf(fields), {
      ...START,
      level: "info",
      component: "storage",
      event: "image_saved",
      level_: "l",
      timestamp_: "t",
      service_: "s",
      component_: "c",
      event_: "e",
    });
  });

  // Proves: LOGS-2
  test("prints no secret, however it is wrapped", () => {
    const secret = new Secret(CANARY);
    const lines = captureLines();
    const logger = getLogger("storage");
    logger.info("settings", {
      secret,
      nested: { deep: [{ secret }] },
      copy: Object.assign({}, secret),
      clone: structuredClone(secret),
    });
    logger.error("failed", { error: new Error(`Cannot use ${String(secret)}`, { cause: new Error(String(secret)) }) });
    logger.info("addresses", {
      url: `https://user:${CANARY}@host/path?token=${CANARY}#${CANARY}`,
      slash: `https://${CANARY}/${CANARY}@host`,
      nested: [{ url: new URL(`https://host/?${CANARY}`) }],
      error_inside: new Error(`https://${CANARY}@host`),
    });
    logger.error("failed", {
      error: new StorageError("storage_unavailable", `Cannot reach http://a:${CANARY}@host:9000/x?sig=${CANARY}`, {
        cause: new TypeError(`Request cannot be made:\nhttp://a:${CANARY}@host/?${CANARY}`),
      }),
    });
    assert.equal(lines.length, 4);
    assert.equal(lines.join("").includes(CANARY), false);
    assert.match(lines[0] ?? "", /"secret":"\[redacted\]","nested":\{"deep":\[\{"secret":"\[redacted\]"\}\]\}/);
    assert.match(lines[2] ?? "", /"url":"https:\/\/\[redacted\]@host\/path\?\[redacted\]"/);
  });

  test("cannot be made to write a second line", () => {
    const hostile = 'x\n{"level":"error"}\r\u2028\u001b[2K"}';
    const lines = captureLines();
    getLogger("storage").info(hostile, {
      [hostile]: hostile,
      error: new Error(hostile, { cause: new Error(hostile) }),
    });
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^[^\n]*\n$/);
    const entry = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
    assert.deepEqual([entry["level"], entry["event"], entry[hostile]], ["info", hostile, hostile]);
  });

  test("says code, message and causes of an error, and the stack only of an unexpected one", () => {
    const expected = entryOf({ error: new StorageError("storage_full", 'Cannot save image "img_1": disk is full') });
    assert.deepEqual(expected, {
      ...START,
      level: "info",
      component: "storage",
      event: "image_saved",
      error: 'StorageError: Cannot save image "img_1": disk is full',
      error_code: "storage_full",
    });
    const refused = Object.assign(new Error("connect failed"), { code: "ECONNREFUSED" });
    const unexpected = entryOf({
      error: new StorageError("storage_unavailable", "Cannot reach the bucket", {
        cause: new AggregateError([refused, new Error("second")]),
      }),
    });
    assert.deepEqual(unexpected["causes"], ["AggregateError: ", "Error (ECONNREFUSED): connect failed"]);
    const stack = unexpected["stack"];
    assert.ok(Array.isArray(stack) && stack.length > 0 && stack.length <= 8);
    for (const line of stack) assert.match(String(line), /^at /);
    assert.equal(entryOf({ error: "thrown text" })["error"], "thrown text");
  });

  test("bounds what a line holds and survives what cannot be printed", () => {
    const circular: Record<string, unknown> = { name: "a" };
    circular["self"] = circular;
    const entry = entryOf({
      bytes: new Uint8Array(5_000_000),
      long: "x".repeat(1_000_000),
      many: Array.from({ length: 1_000 }, () => 1),
      circular,
      big: 10n,
      thrower: {
        toJSON() {
          throw new Error("no");
        },
      },
      date: new Date(0),
      error: new Error("y".repeat(1_000_000)),
    });
    assert.equal(entry["bytes"], "[5000000 bytes]");
    assert.equal(entry["long"], `${"x".repeat(500)}…`);
    assert.equal((entry["many"] as unknown[]).length, 50);
    assert.deepEqual(entry["circular"], {
      name: "a",
      self: { name: "a", self: { name: "a", self: { name: "a", self: "[too deep]" } } },
    });
    assert.equal(entry["big"], 10);
    assert.equal(entry["thrower"], "[unprintable]");
    assert.equal(entry["date"], "1970-01-01T00:00:00.000Z");
    assert.equal(String(entry["error"]).length, 501);
  });

  test("writes to standard error alone, at once", { timeout: 20_000 }, async () => {
    const script = `
      import { configureLogging, getLogger } from ${JSON.stringify(new URL("logger.ts", import.meta.url).href)};
      configureLogging({ service: "pictures", level: "INFO" });
      getLogger("cli").info("started");
      process.kill(process.pid, "SIGKILL");
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /^\{"level":"info","timestamp":"[^"]+","service":"pictures","component":"cli","event":"started"\}\n$/,
    );
  });
});

describe("withLogFields()", () => {
  test("adds its fields to every line within, across awaits, inner ones over outer ones", async () => {
    const lines = captureLines();
    const logger = getLogger("http");
    const result = await withLogFields({ request_id: "r1", client: "c" }, async () => {
      await Promise.resolve();
      logger.info("outer");
      withLogFields({ client: "d" }, () => logger.info("inner", { size: 1 }));
      return 7;
    });
    logger.info("outside");
    assert.equal(result, 7);
    const rest = (line: string): unknown => {
      const { timestamp: _, service: __, level: ___, ...fields } = JSON.parse(line) as Record<string, unknown>;
      return fields;
    };
    assert.deepEqual(lines.map(rest), [
      { component: "http", event: "outer", request_id: "r1", client: "c" },
      { component: "http", event: "inner", request_id: "r1", client: "d", size: 1 },
      { component: "http", event: "outside" },
    ]);
  });

  test("keeps requests that run at once apart", async () => {
    const lines = captureLines();
    const logger = getLogger("http");
    await Promise.all(
      ["a", "b"].map(async (id) =>
        withLogFields({ request_id: id }, async () => {
          await Promise.resolve();
          logger.info(`seen_by_${id}`);
        }),
      ),
    );
    for (const id of ["a", "b"]) {
      assert.match(lines.join(""), new RegExp(`"request_id":"${id}","event":"seen_by_${id}"`));
    }
  });
});

describe("loadLogDestination()", () => {
  test("prints for human eyes on a terminal: time, level, component, event, fields", async () => {
    const lines = await capturePretty({ env: { NO_COLOR: "1" } });
    getLogger("storage").warn("image_saved", { image_id: "img_1", size: 12 });
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      /^\[\d\d:\d\d:\d\d\.006\] WARNING: storage image_saved \{"image_id":"img_1","size":12\}\n$/,
    );
  });

  test("keeps JSON lines off a terminal, or where the format says so", async () => {
    for (const options of [{ isTerminal: false }, { format: "json" }] as const) {
      const lines = await capturePretty(options);
      getLogger("storage").info("tick");
      assert.match(lines.join(""), /^\{"level":"info".*"event":"tick"\}\n$/);
    }
  });

  test("colors on a terminal, not off one, and never under NO_COLOR", async () => {
    for (const [options, colored] of [
      [{ format: "pretty", isTerminal: true }, true],
      [{ format: "pretty", isTerminal: false }, false],
      [{ format: "pretty", isTerminal: true, env: { NO_COLOR: "1" } }, false],
    ] as const) {
      const lines = await capturePretty(options);
      getLogger("storage").info("tick", { a: 1 });
      assert.equal(lines.join("").includes("\u001b["), colored, JSON.stringify(options));
    }
  });

  test("lets no value move the cursor, begin a line or show a secret", async () => {
    const lines = await capturePretty({ env: { NO_COLOR: "1" } });
    const hostile = `\u001b[2J\u009b2J\n\r\u2028\u202e`;
    getLogger(hostile).error(hostile, {
      [hostile]: `${hostile} https://a:${CANARY}@host`,
      error: new Error(`${hostile} https://a:${CANARY}@host`),
      stack: hostile,
    });
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^[^\p{Cc}\u2028\u202e]*\n$/u);
    assert.equal(lines[0]?.includes(CANARY), false);
  });
});

test("wantsColor() obeys NO_COLOR first, then FORCE_COLOR, then the terminal", () => {
  assert.equal(wantsColor({}, true), true);
  assert.equal(wantsColor({}, false), false);
  assert.equal(wantsColor({ TERM: "dumb" }, true), false);
  assert.equal(wantsColor({ NO_COLOR: "" }, true), true);
  assert.equal(wantsColor({ NO_COLOR: "1", FORCE_COLOR: "1" }, true), false);
  assert.equal(wantsColor({ FORCE_COLOR: "1" }, false), true);
  assert.equal(wantsColor({ FORCE_COLOR: "0" }, true), false);
});
