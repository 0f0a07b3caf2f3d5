import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { FAKE_S3_ACCESS_KEY_ID, FAKE_S3_SECRET_ACCESS_KEY, startFakeS3Server } from "../src/testing/fake-s3-server.ts";
import { doctor } from "../src/cli/commands/doctor.ts";
import { FakeKServeRuntime } from "../src/testing/fake-kserve-runtime.ts";
import { makeCertificate } from "../src/testing/make-certificate.ts";
import { drawTestPicture } from "../src/testing/test-picture.ts";
import { runCommand, TemporaryFolder } from "./support/server-process.ts";

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly message: string;
  readonly remedy?: string;
}

/** Runs `doctor --json` in this process; the findings by their check, and the exit code. */
async function examine(settings: Readonly<Record<string, string>>, options: { readonly generate?: boolean } = {}) {
  using home = new TemporaryFolder();
  let text = "";
  const stdout = { write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
  const env = { STORAGE_PATH: join(home.path, "pictures"), PORT: "0", ...settings };
  const context = { env, stdin: process.stdin, stdout, stderr: process.stderr, version: "1.2.3" };
  const exitCode = await doctor(context, { envFile: undefined, json: true, ...options });
  const findings: Finding[] = JSON.parse(text);
  const statuses = Object.fromEntries(findings.map(({ check, status }) => [check, status]));
  return { exitCode, statuses, of: (check: string) => findings.find((finding) => finding.check === check) };
}

/** A server that answers everything in one way; over TLS when it has a certificate. */
async function serve(answer: RequestListener, certificate?: { readonly cert: string; readonly key: string }) {
  const server = certificate ? createSecureServer(certificate, answer) : createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `${certificate ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

// Proves: CLI-5
describe("mcp-image-server doctor", () => {
  test("finds everything well at a desk, draws with the built-in engine, and prints it for a person", async () => {
    using home = new TemporaryFolder();
    const { exitCode, stdout, stderr } = await runCommand(["doctor", "--local"], { home: home.path });
    assert.deepEqual([exitCode, stderr], [0, ""]);
    const rows = stdout.split("\n").filter((line) => /^\w/.test(line));
    assert.deepEqual(
      rows.map((row) => row.split(/ +/)[1]),
      ["settings", "model", "generation", "seed", "storage", "disk", "clock", "server"],
    );
    assert.doesNotMatch(stdout, /^fail/m);
    assert.match(stdout, /^ok {4}generation {2}A picture of 64 x 64 pixels in [\d.]+ s$/m);
    assert.match(stdout, /^ok {4}seed {8}The same seed gives the same pixels$/m);
    assert.match(stdout, /^ok {4}storage {5}A picture was written, read and deleted \(\d+ ms\)$/m);
  });

  test("looks at a model server without drawing, unless it is told to", async () => {
    await using runtime = await FakeKServeRuntime.start({ pipeline: "echo" });
    const looked = await examine({ KSERVE_ENDPOINT: runtime.url });
    assert.equal(looked.exitCode, 0);
    assert.partialDeepStrictEqual(looked.statuses, {
      settings: "ok",
      dns: "ok",
      tcp: "ok",
      auth: "ok",
      protocol: "ok",
      model: "ok",
      readiness: "ok",
      generation: "skip",
      storage: "ok",
      clock: "ok",
      server: "skip",
    });
    assert.equal(looked.of("model")?.message, '"model"; served: model');
    assert.equal(runtime.posts.length, 0);
    const drawn = await examine({ KSERVE_ENDPOINT: runtime.url }, { generate: true });
    assert.partialDeepStrictEqual(drawn.statuses, { generation: "ok", seed: "ok" });
    assert.equal(runtime.posts.length, 2);
  });

  test("tells a model that refuses a seed, and one that ignores it, by a warning", async () => {
    await using refusing = await FakeKServeRuntime.start({ pipeline: "stable-diffusion-3" });
    const refused = await examine({ KSERVE_ENDPOINT: refusing.url }, { generate: true });
    assert.equal(refused.exitCode, 0);
    assert.equal(refused.of("seed")?.message, "The model does not take a seed");
    await using ignoring = await FakeKServeRuntime.start();
    const other = drawTestPicture({ prompt: "another", width: 64, height: 64 }).toString("base64");
    const toBody = (): string => JSON.stringify({ predictions: [{ image: { b64: other } }] });
    ignoring.script({ kind: "draw" }, { kind: "shape", toBody });
    const ignored = await examine({ KSERVE_ENDPOINT: ignoring.url }, { generate: true });
    assert.equal(ignored.exitCode, 0);
    assert.deepEqual([ignored.statuses["seed"], ignored.statuses["generation"]], ["warn", "ok"]);
    assert.match(ignored.of("seed")?.message ?? "", /different pixels/);
  });

  test("says at which step the way to the model ends, what to do, and exits with 69", async () => {
    await using runtime = await FakeKServeRuntime.start();
    await using closed = await serve((_, response) => response.writeHead(401).end("Unauthorized"));
    await using website = await serve((_, response) => response.writeHead(200).end("<html></html>"));
    for (const [settings, check, message] of [
      [{ KSERVE_ENDPOINT: "http://127.0.0.1:9" }, "tcp", /port 9: ECONNREFUSED/],
      [{ KSERVE_ENDPOINT: "http://nowhere.invalid" }, "dns", /nowhere\.invalid cannot be resolved/],
      [{ KSERVE_ENDPOINT: runtime.url.replace("http:", "https:") }, "tls", /No trusted TLS connection/],
      [{ KSERVE_ENDPOINT: closed.url }, "auth", /refused our credentials/],
      [{ KSERVE_ENDPOINT: website.url }, "protocol", /does not speak the KServe protocol/],
      [{ KSERVE_ENDPOINT: runtime.url, KSERVE_MODEL_NAME: "flux" }, "model", /"flux" is not served; served: model/],
    ] as const) {
      const { exitCode, of, statuses } = await examine(settings);
      assert.equal(exitCode, 69, check);
      assert.equal(statuses[check], "fail", JSON.stringify(statuses));
      assert.match(of(check)?.message ?? "", message);
      assert.ok(of(check)?.remedy);
      assert.equal(statuses["generation"], undefined);
      assert.equal(statuses["storage"], "ok");
    }
    runtime.readiness = "not_ready";
    const loading = await examine({ KSERVE_ENDPOINT: runtime.url });
    assert.deepEqual([loading.exitCode, loading.statuses["readiness"]], [69, "fail"]);
    runtime.readiness = "ready";
    runtime.script({ kind: "answer", answer: { status: 500, body: '{"error":"broken"}' } });
    const broken = await examine({ KSERVE_ENDPOINT: runtime.url }, { generate: true });
    assert.deepEqual([broken.exitCode, broken.statuses["generation"]], [69, "fail"]);
  });

  test("trusts the certificate authority of the settings, and says so when no certificate is looked at", async () => {
    using home = new TemporaryFolder();
    const { cert, key } = makeCertificate({ commonName: "test", addresses: ["127.0.0.1"] });
    const caFile = join(home.path, "ca.pem");
    writeFileSync(caFile, cert);
    await using secure = await serve((_, response) => response.writeHead(404).end(), { cert, key });
    const untrusted = await examine({ KSERVE_ENDPOINT: secure.url });
    assert.equal(untrusted.statuses["tls"], "fail");
    assert.match(untrusted.of("tls")?.remedy ?? "", /KSERVE_CA_FILE/);
    assert.equal((await examine({ KSERVE_ENDPOINT: secure.url, KSERVE_CA_FILE: caFile })).statuses["tls"], "ok");
    const skipped = await examine({ KSERVE_ENDPOINT: secure.url, KSERVE_INSECURE_SKIP_VERIFY: "true" });
    assert.equal(skipped.statuses["tls"], "warn");
  });

  test("finds a storage that cannot be written and a clock that is wrong", async () => {
    using home = new TemporaryFolder();
    const path = join(home.path, "file");
    writeFileSync(path, "");
    const date = new Date(Date.now() - 3600_000).toUTCString();
    await using late = await serve((_, response) => response.writeHead(200, { date }).end("{}"));
    const { exitCode, of, statuses } = await examine({ KSERVE_ENDPOINT: late.url, STORAGE_PATH: path });
    assert.equal(exitCode, 69);
    assert.deepEqual([statuses["storage"], statuses["disk"], statuses["clock"]], ["fail", undefined, "warn"]);
    assert.match(of("storage")?.remedy ?? "", /^STORAGE_PATH must be a folder/);
    assert.match(of("clock")?.message ?? "", /that of the model server differ by 3[56]\d\d s/);
  });

  test("says what to look at where the bucket is not there, or speaks no TLS", async () => {
    await using server = await startFakeS3Server({ buckets: [] });
    const keys = { AWS_ACCESS_KEY_ID: FAKE_S3_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: FAKE_S3_SECRET_ACCESS_KEY };
    const settings = { KSERVE_ENDPOINT: "http://127.0.0.1:9", STORAGE_BACKEND: "s3", S3_BUCKET: "pictures", ...keys };
    const absent = await examine({ ...settings, S3_ENDPOINT_URL: server.url });
    assert.match(absent.of("storage")?.message ?? "", /: the bucket does not exist$/);
    assert.match(absent.of("storage")?.remedy ?? "", /^Check S3_BUCKET, S3_ENDPOINT_URL, AWS_REGION, the keys, /);
    const plain = await examine({ ...settings, S3_ENDPOINT_URL: server.url.replace("http:", "https:") });
    assert.match(plain.of("storage")?.message ?? "", /: it does not speak TLS: S3_ENDPOINT_URL should perhaps begin /);
  });

  test("says of a model of one's own that is none what it must be", async () => {
    const { of, statuses, exitCode } = await examine({ KSERVE_ENDPOINT: "embedded", MODEL_PATH: import.meta.dirname });
    assert.equal(exitCode, 69);
    assert.equal(statuses["settings"], "warn");
    assert.match(of("model")?.message ?? "", /^Cannot use model file /);
    assert.match(of("model")?.remedy ?? "", /^MODEL_PATH must be a folder as `optimum-cli export onnx` writes it/);
  });

  test("tries the public URL of a server that runs", async () => {
    await using runtime = await FakeKServeRuntime.start();
    await using server = await serve((request, response) =>
      response.writeHead(request.url === "/livez" ? 200 : 404).end(),
    );
    const settings = { KSERVE_ENDPOINT: runtime.url, HOST: "127.0.0.1", PORT: new URL(server.url).port };
    const right = await examine({ ...settings, PUBLIC_BASE_URL: server.url });
    assert.deepEqual([right.statuses["server"], right.statuses["public url"], right.exitCode], ["ok", "ok", 0]);
    const wrong = await examine({ ...settings, PUBLIC_BASE_URL: "http://127.0.0.1:9" });
    assert.deepEqual([wrong.statuses["public url"], wrong.exitCode], ["fail", 69]);
    assert.equal(wrong.of("public url")?.message, "http://127.0.0.1:9 does not answer");
  });

  test("prints every fault of the settings with an example, no secret, and exits with 78", async () => {
    const { exitCode, of } = await examine({ PORT: "80abc", KSERVE_AUTH_TOKEN: "canary-token\n" });
    assert.equal(exitCode, 78);
    const { message, remedy } = of("settings") ?? {};
    assert.match(message ?? "", /^PORT must be a whole number/);
    assert.equal(remedy, "Write for example PORT=8000");
    assert.doesNotMatch(JSON.stringify(of("settings")), /canary/);
  });
});
