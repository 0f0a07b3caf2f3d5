import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { Secret } from "../core/secret.ts";
import { HOP_ANSWERS } from "../testing/hop-answers.ts";
import { createKServeBench, failureOf } from "../testing/kserve-bench.ts";
import { makeCertificate, type TestCertificate } from "../testing/make-certificate.ts";
import { drawTestPicture } from "../testing/test-picture.ts";
import { KServeClient, type KServeClientOptions } from "./kserve-client.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "access-"));
});
after(async () => {
  await rm(folder, { recursive: true });
});

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const UNAUTHORIZED = { kind: "answer", answer: HOP_ANSWERS.unauthorized } as const;

suite("KServeClient, its token", () => {
  test("is read again when its file changes", async () => {
    const authTokenFile = await write("token", "first\n");
    await using bench = await createKServeBench({ modelName: "model", authTokenFile });
    await bench.generate();
    await write("token", "second, but longer".replaceAll(/[, ]/g, "-"));
    await bench.generate();
    assert.deepEqual(
      bench.runtime.posts.map(({ headers }) => headers.authorization),
      ["Bearer first", "Bearer second--but-longer"],
    );
  });

  test("is read again when it is refused, and sent once more when it has changed", async () => {
    const authTokenFile = await write("rotated", "old");
    const then = new Date(2020, 0, 1);
    await utimes(authTokenFile, then, then);
    await using bench = await createKServeBench({ modelName: "model", authTokenFile });
    await bench.generate();
    await write("rotated", "new");
    await utimes(authTokenFile, then, then);
    bench.runtime.script(UNAUTHORIZED);
    await bench.generate();
    assert.deepEqual(
      bench.runtime.posts.map(({ headers }) => headers.authorization),
      ["Bearer old", "Bearer old", "Bearer new"],
    );
    bench.runtime.script(UNAUTHORIZED);
    assert.equal((await failureOf(bench.generate())).code, "upstream_auth_failed");
    assert.equal(bench.runtime.posts.length, 4);
  });

  test("stays what it was while its file cannot be read, but must once have been there", async () => {
    const authTokenFile = await write("vanishing", "t0ken");
    await using bench = await createKServeBench({ modelName: "model", authTokenFile });
    await bench.generate();
    await rm(authTokenFile);
    await bench.generate();
    assert.equal(bench.runtime.posts[1]?.headers.authorization, "Bearer t0ken");
    await using other = await createKServeBench({ authTokenFile });
    const error = await failureOf(other.generate());
    assert.equal(error.code, "configuration_invalid");
    assert.deepEqual(error.details, { setting: "KSERVE_AUTH_TOKEN_FILE" });
  });

  test("is refused when it is no token", async () => {
    await using bench = await createKServeBench({ authTokenFile: await write("lines", "a\nb") });
    assert.equal((await failureOf(bench.generate())).code, "configuration_invalid");
    assert.equal(bench.runtime.requests.length, 0);
  });

  test("is not taken along to where a redirect points", async () => {
    await using other = await createKServeBench();
    await using bench = await createKServeBench({ authToken: new Secret("t0ken") });
    const answer = { status: 307, headers: { location: `${other.runtime.url}/v1/models/model:predict` }, body: "" };
    bench.runtime.script({ kind: "answer", answer });
    assert.equal((await failureOf(bench.generate())).code, "upstream_redirected");
    assert.equal(other.runtime.requests.length, 0);
  });
});

test("KServeClient sends the operator's headers and Host with every request", async () => {
  await using bench = await createKServeBench({
    headers: { "x-api-key": new Secret("k3y"), accept: new Secret("text/html") },
    hostHeader: "model.example.com",
  });
  await bench.generate();
  assert.equal(bench.runtime.requests.length > 1, true);
  for (const { headers } of bench.runtime.requests) {
    assert.equal(headers["x-api-key"], "k3y");
    assert.equal(headers.host, "model.example.com");
    assert.equal(headers.accept, "application/json, image/*, */*;q=0.1");
  }
});

interface SecureServer extends AsyncDisposable {
  readonly url: string;
  /** The common names of the clients that drew, and the names that they asked for. */
  readonly visits: string[];
}

async function startSecureServer(options: ServerOptions): Promise<SecureServer> {
  const visits: string[] = [];
  const server = createServer(options, (request, response) => {
    const socket = request.socket as TLSSocket;
    const { subject } = socket.getPeerCertificate();
    visits.push(`${String(subject?.CN ?? "-")} ${String(socket.servername)}`);
    const picture = drawTestPicture({ prompt: "x", width: 8, height: 8 }).toString("base64");
    response.setHeader("connection", "close");
    response.end(JSON.stringify({ ready: true, predictions: [picture] }));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    visits,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

suite("KServeClient over TLS", () => {
  const authority = makeCertificate({ commonName: "Test authority" });
  const certificate = makeCertificate({
    commonName: "model",
    dnsNames: ["model.example.com"],
    addresses: ["127.0.0.1"],
    issuer: authority,
  });
  const draw = async (endpoint: string, options: Partial<KServeClientOptions>): Promise<void> => {
    await using client = new KServeClient({ endpoint, modelName: "model", protocol: "v1", maxRetries: 0, ...options });
    await client.generateImage({ prompt: "x" });
  };

  test("trusts the authority of KSERVE_CA_FILE", async () => {
    await using server = await startSecureServer(certificate);
    await draw(server.url, { caFile: await write("ca.pem", authority.cert) });
    assert.deepEqual(server.visits, ["- false", "- false"]);
  });

  test("asks for the name of the Host header, or for KSERVE_SERVERNAME, and expects it in the certificate", async () => {
    await using server = await startSecureServer(certificate);
    const caFile = await write("ca.pem", authority.cert);
    await draw(server.url, { caFile, hostHeader: "model.example.com:8443" });
    await draw(server.url, { caFile, hostHeader: "other.example.com", servername: "model.example.com" });
    assert.deepEqual(new Set(server.visits), new Set(["- model.example.com"]));
    const error = await failureOf(draw(server.url, { caFile, hostHeader: "other.example.com" }));
    assert.equal(error.code, "upstream_unavailable");
    assert.match(String(error.details["hint"]), /KSERVE_SERVERNAME/);
  });

  const untrusted: [string, TestCertificate, RegExp][] = [
    ["an unknown authority", certificate, /KSERVE_CA_FILE/],
    [
      "a certificate signed by itself",
      makeCertificate({ commonName: "self", addresses: ["127.0.0.1"] }),
      /KSERVE_CA_FILE/,
    ],
  ];
  for (const [title, server, hint] of untrusted) {
    test(`refuses ${title}, sends nothing, and says what to change`, async () => {
      await using secure = await startSecureServer(server);
      const error = await failureOf(draw(secure.url, {}));
      assert.equal(error.code, "upstream_unavailable");
      assert.match(String(error.details["hint"]), hint);
      assert.deepEqual(secure.visits, []);
      await draw(secure.url, { insecureSkipVerify: true });
      assert.equal(secure.visits.length, 2);
    });
  }

  test("refuses a certificate that has ended", async () => {
    const expired = makeCertificate({
      commonName: "old",
      addresses: ["127.0.0.1"],
      issuer: authority,
      validTo: new Date("2001-01-01"),
    });
    await using server = await startSecureServer(expired);
    const error = await failureOf(draw(server.url, { caFile: await write("ca.pem", authority.cert) }));
    assert.match(String(error.details["hint"]), /has expired/);
  });

  test("shows its own certificate, and the next one when the files change", async () => {
    await using server = await startSecureServer({
      ...certificate,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion: "TLSv1.2",
    });
    const caFile = await write("ca.pem", authority.cert);
    const save = async ({ cert, key }: TestCertificate) => ({
      clientCertFile: await write("client.crt", cert),
      clientKeyFile: await write("client.key", key),
    });
    const files = await save(makeCertificate({ commonName: "client-one", issuer: authority }));
    const error = await failureOf(draw(server.url, { caFile }));
    assert.match(String(error.details["hint"]), /KSERVE_CLIENT_CERT_FILE/);
    const options = {
      endpoint: server.url,
      modelName: "model",
      protocol: "v1" as const,
      maxRetries: 0,
      caFile,
      ...files,
    };
    await using client = new KServeClient(options);
    await client.generateImage({ prompt: "x" });
    await save(makeCertificate({ commonName: "client-number-two", issuer: authority }));
    await client.generateImage({ prompt: "x" });
    assert.deepEqual([...new Set(server.visits)], ["client-one false", "client-number-two false"]);
  });

  test("says which files are no certificates", async () => {
    await using server = await startSecureServer(certificate);
    const error = await failureOf(
      draw(server.url, { caFile: await write("bad.pem", "-----BEGIN CERTIFICATE-----\nx") }),
    );
    assert.equal(error.code, "configuration_invalid");
    const other = makeCertificate({ commonName: "other", issuer: authority });
    const clientCertFile = await write("a.crt", certificate.cert);
    const clientKeyFile = await write("b.key", other.key);
    const mismatch = await failureOf(draw(server.url, { clientCertFile, clientKeyFile }));
    assert.equal(mismatch.code, "configuration_invalid");
    assert.match(mismatch.message, /do not belong together/);
  });

  test("says that the endpoint does not speak TLS", async () => {
    await using bench = await createKServeBench();
    const error = await failureOf(draw(bench.runtime.url.replace("http:", "https:"), {}));
    assert.equal(error.code, "upstream_unavailable");
    assert.match(String(error.details["hint"]), /http:\/\//);
  });

  test("reaches no TLS server by plain HTTP", async () => {
    await using server = await startSecureServer(certificate);
    const error = await failureOf(draw(server.url.replace("https:", "http:"), {}));
    assert.equal(error.code, "upstream_unavailable");
  });
});
