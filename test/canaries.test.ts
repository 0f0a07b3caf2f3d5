import assert from "node:assert/strict";
import { test } from "node:test";
import { SETTING_NAMES, getSettingDefinition, type SettingName } from "../src/config/settings-table.ts";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { makeCertificate } from "../src/testing/make-certificate.ts";
import { runCommand, ServerProcess, TemporaryFolder } from "./support/server-process.ts";

let count = 0;
/** A secret that no other place has. */
const canary = (): string => `canary${(count++).toString().padStart(2, "0")}AAAABBBBCCCCDDDD`;

/** A value with a canary for each secret setting; one without an entry here is a plain text. */
const SHAPES: Partial<Record<SettingName, (secret: string) => string>> = {
  API_KEYS: (secret) => `alice:${secret}:admin`,
  KSERVE_HEADERS: (secret) => JSON.stringify({ "x-api-key": secret }),
  REDIS_URL: (secret) => `redis://user:${secret}@127.0.0.1:1/0`,
};

test("no secret of a setting or a request is in any output of the server", async () => {
  const secretNames = SETTING_NAMES.filter((name) => getSettingDefinition(name).secret === true);
  const canaries = new Map<string, string>();
  const settings: Record<string, string> = {};
  for (const name of secretNames) {
    const secret = canary();
    const value = (SHAPES[name] ?? ((text) => text))(secret);
    if (getSettingDefinition(name).kind.parse(value) === undefined) continue;
    canaries.set(name, secret);
    settings[name] = value;
  }
  const authority = makeCertificate({ commonName: "Authority", signs: "certificates" });
  const signer = makeCertificate({
    commonName: "Pictures",
    organization: "Example",
    signs: "contents",
    issuer: authority,
  });
  Object.assign(settings, { C2PA_SIGN_CERT: signer.cert, C2PA_PRIVATE_KEY: signer.key });
  canaries.set("C2PA_PRIVATE_KEY", signer.key.split("\n")[1] ?? "");
  for (const place of ["bearer", "basic", "query", "cookie", "header", "prompt"]) canaries.set(place, canary());
  assert.ok(canaries.size >= 12, `${canaries.size} canaries`);
  const at = (name: string): string => canaries.get(name) ?? "";

  await using runtime = await FakeKServeRuntime.start();
  using home = new TemporaryFolder();
  Object.assign(settings, {
    HOST: "127.0.0.1",
    PORT: "0",
    LOG_LEVEL: "DEBUG",
    ACCESS_LOG: "true",
    AUDIT_LOG: "on",
    AUTH_MODE: "token",
    LIMIT_JOBS_PER_MINUTE: "100",
    STORAGE_PATH: `${home.path}/images`,
    KSERVE_ENDPOINT: runtime.url,
  });
  const outputs: string[] = [];
  for (const args of [
    ["config", "show"],
    ["config", "check"],
    ["doctor", "--json"],
  ]) {
    const { stdout, stderr } = await runCommand(args, { home: home.path, settings });
    outputs.push(stdout, stderr);
  }
  const broken = {
    ...settings,
    API_KEYS: `broken ${at("API_KEYS")}`,
    KSERVE_HEADERS: `{${at("KSERVE_HEADERS")}`,
    C2PA_PRIVATE_KEY: `broken ${at("C2PA_PRIVATE_KEY")}`,
  };
  outputs.push((await runCommand(["config", "check"], { home: home.path, settings: broken })).stderr);

  await using server = await ServerProcess.start({ home: home.path, settings }, ["serve"]);
  const ask = async (path: string, init: RequestInit = {}): Promise<void> => {
    const response = await fetch(server.url + path, init);
    outputs.push(JSON.stringify([...response.headers]), await response.text());
  };
  const authorization = `Bearer ${at("API_KEYS")}`;
  await ask("/images/", { headers: { authorization } });
  await ask("/metrics", { headers: { authorization } });
  await ask("/health");
  await ask("/readyz");
  await ask("/images/", { headers: { authorization: `Bearer ${at("bearer")}` } });
  await ask("/images/", { headers: { authorization: `Basic ${Buffer.from(`x:${at("basic")}`).toString("base64")}` } });
  await ask(`/images/?access_token=${at("query")}`, { headers: { authorization, cookie: at("cookie") } });
  await ask("/nowhere", { headers: { authorization, "x-api-key": at("header"), referer: `http://x/${at("header")}` } });
  const call = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "generate_image", arguments: { prompt: at("prompt"), width: 7 } },
  };
  const headers = { authorization, "content-type": "application/json", accept: "application/json, text/event-stream" };
  await ask("/mcp", { method: "POST", headers, body: JSON.stringify(call) });
  await server.stop();
  outputs.push(JSON.stringify(server.logLines));

  const all = outputs.join("\n");
  const found = [...canaries].filter(([, secret]) => all.includes(secret)).map(([name]) => name);
  assert.deepEqual(found, []);
});
