import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { listRoutes } from "../src/http/route-table.ts";
import { configureLogging } from "../src/logging/logger.ts";
import { exchangeRaw, parseJson, startServer, type TestServer } from "./http-support.ts";

type Verdict = "passes" | "forbidden_host" | "forbidden_origin";
/** `PORT` stands for the port that the server listens on. */
type Row = readonly [host: string, origin: string | undefined, verdict: Verdict];

const LOCAL: readonly Row[] = [
  // Names of this machine, on any port, as forwarding changes ports.
  ["127.0.0.1:PORT", undefined, "passes"],
  ["127.0.0.1", undefined, "passes"],
  ["127.0.0.1:1", undefined, "passes"],
  ["127.255.255.254:PORT", undefined, "passes"],
  ["localhost:PORT", undefined, "passes"],
  ["localhost", undefined, "passes"],
  ["localhost:", undefined, "passes"],
  ["LOCALHOST:PORT", undefined, "passes"],
  ["LocalHost", undefined, "passes"],
  ["localhost.", undefined, "passes"],
  ["localhost.:PORT", undefined, "passes"],
  ["[::1]:PORT", undefined, "passes"],
  ["[::1]", undefined, "passes"],
  ["[0:0:0:0:0:0:0:1]:PORT", undefined, "passes"],
  ["[::ffff:127.0.0.1]:PORT", undefined, "passes"],
  ["[::FFFF:7F00:1]", undefined, "passes"],
  // Anything else.
  ["evil.example", undefined, "forbidden_host"],
  ["evil.example:PORT", undefined, "forbidden_host"],
  ["localhost.evil.example", undefined, "forbidden_host"],
  ["127.0.0.1.evil.example", undefined, "forbidden_host"],
  ["127.0.0.1.nip.io:PORT", undefined, "forbidden_host"],
  ["evil-localhost", undefined, "forbidden_host"],
  ["foo.localhost", undefined, "forbidden_host"],
  ["localhost..", undefined, "forbidden_host"],
  [".localhost", undefined, "forbidden_host"],
  [".", undefined, "forbidden_host"],
  ["localhost.localdomain", undefined, "forbidden_host"],
  ["localhos\u0074\u00e9", undefined, "forbidden_host"],
  ["0.0.0.0:PORT", undefined, "forbidden_host"],
  ["10.0.0.1", undefined, "forbidden_host"],
  ["169.254.169.254", undefined, "forbidden_host"],
  ["127.1", undefined, "forbidden_host"],
  ["0x7f000001", undefined, "forbidden_host"],
  ["2130706433", undefined, "forbidden_host"],
  ["127.0.0.256", undefined, "forbidden_host"],
  ["127.00.0.1", undefined, "forbidden_host"],
  ["[::]", undefined, "forbidden_host"],
  ["[::2]", undefined, "forbidden_host"],
  ["[::ffff:10.0.0.1]", undefined, "forbidden_host"],
  ["[::1%25eth0]", undefined, "forbidden_host"],
  ["::1", undefined, "forbidden_host"],
  ["[::1", undefined, "forbidden_host"],
  ["[localhost]", undefined, "forbidden_host"],
  ["[127.0.0.1]", undefined, "forbidden_host"],
  ["localhost:65536", undefined, "forbidden_host"],
  ["localhost:-1", undefined, "forbidden_host"],
  ["localhost:8o", undefined, "forbidden_host"],
  ["localhost:80:80", undefined, "forbidden_host"],
  ["localhost:999999999999", undefined, "forbidden_host"],
  ["evil.example@localhost:PORT", undefined, "forbidden_host"],
  ["localhost@evil.example", undefined, "forbidden_host"],
  ["localhost:PORT@evil.example", undefined, "forbidden_host"],
  ["localhost/evil.example", undefined, "forbidden_host"],
  ["localhost\\evil.example", undefined, "forbidden_host"],
  ["localhost?evil.example", undefined, "forbidden_host"],
  ["localhost#evil.example", undefined, "forbidden_host"],
  ["localhost,evil.example", undefined, "forbidden_host"],
  ["localhost evil.example", undefined, "forbidden_host"],
  ["http://localhost", undefined, "forbidden_host"],
  ["%6cocalhost", undefined, "forbidden_host"],
  ["*", undefined, "forbidden_host"],
  ["a".repeat(300), undefined, "forbidden_host"],
  // Our own origin is the one that the Host names, with or without a proxy that adds TLS.
  ["localhost:PORT", "http://localhost:PORT", "passes"],
  ["127.0.0.1:PORT", "http://127.0.0.1:PORT", "passes"],
  ["[::1]:PORT", "http://[::1]:PORT", "passes"],
  ["localhost:PORT", "HTTP://LOCALHOST:PORT", "passes"],
  ["localhost", "http://localhost", "passes"],
  ["localhost:80", "http://localhost", "passes"],
  ["localhost", "https://localhost", "passes"],
  ["localhost:PORT", "https://localhost:PORT", "passes"],
  ["localhost:9000", "http://localhost:9000", "passes"],
  // Every other origin.
  ["localhost:PORT", "null", "forbidden_origin"],
  ["localhost:PORT", "NULL", "forbidden_origin"],
  ["localhost:PORT", "", "forbidden_origin"],
  ["localhost:PORT", "http://evil.example", "forbidden_origin"],
  ["localhost:PORT", "https://evil.example:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:1", "forbidden_origin"],
  ["localhost:PORT", "http://localhost", "forbidden_origin"],
  ["localhost:PORT", "http://127.0.0.1:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://localhost.:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://localhost.evil.example:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://foo.localhost:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://evil.example@localhost:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT@evil.example", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT/", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT/evil", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT?evil", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT#evil", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT, http://evil.example", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT http://evil.example", "forbidden_origin"],
  ["localhost:PORT", "ftp://localhost:PORT", "forbidden_origin"],
  ["localhost:PORT", "file://", "forbidden_origin"],
  ["localhost:PORT", "localhost:PORT", "forbidden_origin"],
  ["localhost:PORT", "//localhost:PORT", "forbidden_origin"],
  ["localhost:PORT", "http:\\\\localhost:PORT", "forbidden_origin"],
  ["localhost:PORT", "http://[::1", "forbidden_origin"],
  ["localhost:PORT", "chrome-extension://evil", "forbidden_origin"],
  ["localhost:PORT", "*", "forbidden_origin"],
  // The Host is looked at first: a rebound name is refused though the origin is the same.
  ["evil.example:PORT", "http://evil.example:PORT", "forbidden_host"],
  ["evil.example", "null", "forbidden_host"],
];

const CONFIGURED: readonly Row[] = [
  ["pictures.example.com:8443", undefined, "passes"],
  ["pictures.example.com", undefined, "passes"],
  ["PICTURES.example.com.", undefined, "passes"],
  ["example.com", undefined, "forbidden_host"],
  ["other.example.com", undefined, "forbidden_host"],
  ["pictures.example.com.evil.example", undefined, "forbidden_host"],
  ["mcp.tools.svc:8000", undefined, "passes"],
  ["MCP.tools.SVC", undefined, "passes"],
  ["x.mcp.tools.svc", undefined, "forbidden_host"],
  ["a.example.org", undefined, "passes"],
  ["a.b.example.org:1", undefined, "passes"],
  ["example.org", undefined, "forbidden_host"],
  ["evilexample.org", undefined, "forbidden_host"],
  [".example.org", undefined, "forbidden_host"],
  ["a.example.org.evil.example", undefined, "forbidden_host"],
  ["10.1.2.3", undefined, "passes"],
  ["10.1.2.4", undefined, "forbidden_host"],
  ["[2001:db8::5]:8000", undefined, "passes"],
  ["[2001:0db8:0:0:0:0:0:5]", undefined, "passes"],
  ["[2001:db8::6]", undefined, "forbidden_host"],
  ["localhost:PORT", undefined, "passes"],
  // The address that the connection came in on: what a probe of Kubernetes sends.
  ["127.0.0.1:PORT", undefined, "passes"],
  ["0.0.0.0:PORT", undefined, "forbidden_host"],
  ["localhost:PORT", "https://pictures.example.com:8443", "passes"],
  ["localhost:PORT", "https://pictures.example.com", "forbidden_origin"],
  ["localhost:PORT", "http://pictures.example.com:8443", "forbidden_origin"],
  ["pictures.example.com:8443", "https://pictures.example.com:8443", "passes"],
  ["localhost:PORT", "https://app.example.com", "passes"],
  ["localhost:PORT", "https://app.example.com:443", "passes"],
  ["localhost:PORT", "HTTPS://APP.example.com", "passes"],
  ["localhost:PORT", "http://app.example.com", "forbidden_origin"],
  ["localhost:PORT", "https://app.example.com:8443", "forbidden_origin"],
  ["localhost:PORT", "https://app.example.com.", "forbidden_origin"],
  ["localhost:PORT", "https://a.example.net", "passes"],
  ["localhost:PORT", "https://a.b.example.net", "passes"],
  ["localhost:PORT", "https://example.net", "forbidden_origin"],
  ["localhost:PORT", "https://evilexample.net", "forbidden_origin"],
  ["localhost:PORT", "http://a.example.net", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:6274", "passes"],
  ["localhost:PORT", "http://localhost:6275", "forbidden_origin"],
  ["localhost:PORT", "vscode-webview://panel", "passes"],
  ["localhost:PORT", "vscode-webview://other", "forbidden_origin"],
  ["localhost:PORT", "null", "forbidden_origin"],
  ["mcp.tools.svc:8000", "http://mcp.tools.svc:8000", "passes"],
  ["evil.example", "https://app.example.com", "forbidden_host"],
];

const ANY_HOST: readonly Row[] = [
  ["whatever.example:1", undefined, "passes"],
  ["localhost", undefined, "passes"],
  ["not a host", undefined, "forbidden_host"],
  // A name that nothing but the star lets pass does not make a page of that name ours.
  ["evil.example", "http://evil.example", "forbidden_origin"],
  ["localhost:PORT", "http://localhost:PORT", "passes"],
  ["localhost:PORT", "null", "forbidden_origin"],
];

const CONFIGURATIONS = [
  { name: "on loopback", rows: LOCAL, options: {} },
  {
    name: "with a public base URL and lists",
    rows: CONFIGURED,
    options: {
      host: "0.0.0.0",
      publicBaseUrl: "https://pictures.example.com:8443/base",
      allowedHosts: ["mcp.tools.svc", "*.example.org", "10.1.2.3", "2001:db8:0::5"],
      allowedOrigins: [
        "https://app.example.com",
        "https://*.example.net",
        "http://localhost:6274",
        "vscode-webview://panel",
      ],
    },
  },
  { name: "with ALLOWED_HOSTS=*", rows: ANY_HOST, options: { allowedHosts: ["*"] } },
] as const;

const ROUTES = listRoutes().map(({ method, path }) => ({ method, path: path.replace("{image_id}", "img_1") }));

// Proves: HTTP-14
for (const { name, rows, options } of CONFIGURATIONS) {
  describe(`The guard ${name}`, () => {
    let server: TestServer;

    before(async () => {
      server = await startServer(options);
    });
    after(async () => server[Symbol.asyncDispose]());

    for (const [hostPattern, originPattern, verdict] of rows) {
      const title = `Host "${hostPattern.slice(0, 60)}" and ${originPattern === undefined ? "no Origin" : `Origin "${originPattern}"`}`;
      test(`${title}: ${verdict}, on every route`, async () => {
        const host = hostPattern.replace("PORT", String(server.port));
        const origin = originPattern?.replaceAll("PORT", String(server.port));
        const headers = { host, ...(origin !== undefined && { origin }) };
        for (const { method, path } of [...ROUTES, { method: "GET", path: "/unknown" }]) {
          // A stream of events has no end; its head says enough.
          const isStream = path === "/jobs/events" && verdict === "passes";
          const answer = await server.call(isStream ? "HEAD" : method, path, headers);
          if (verdict === "passes") {
            const isRefused = /"error":"(?:forbidden_|malformed_)/.test(answer.body.toString());
            assert.deepEqual({ method, path, isRefused }, { method, path, isRefused: false });
            assert.equal(answer.headers["access-control-allow-origin"], origin);
          } else {
            assert.equal(answer.status, 403, `${method} ${path}`);
            assert.deepEqual(Object.keys(parseJson(answer) as object), ["error", "message", "retryable"]);
            assert.equal((parseJson(answer) as { error: string }).error, verdict);
            assert.equal(/evil/i.test(JSON.stringify(answer.headers) + answer.body.toString()), false);
            assert.equal(answer.headers["access-control-allow-origin"], undefined);
          }
          assert.equal(answer.headers["access-control-allow-credentials"], undefined);
        }
      });
    }
  });
}

test("The log names what was refused once, and of invented names a few alone", async () => {
  const lines: string[] = [];
  configureLogging({ service: "test", level: "WARNING", destination: { write: (line) => void lines.push(line) } });
  await using server = await startServer();
  const refused = async (headers: Record<string, string>): Promise<string[]> => {
    lines.length = 0;
    assert.equal((await server.call("GET", "/livez", headers)).status, 403);
    return lines.map((line) => {
      const { event, error_code, host, origin } = JSON.parse(line);
      return [event, error_code, host ?? origin].join(" ");
    });
  };
  assert.deepEqual(await refused({ host: "Images.example:80" }), ["request_refused forbidden_host images.example"]);
  assert.deepEqual(await refused({ host: "images.example" }), []);
  assert.deepEqual(await refused({ host: "user:secret@images.example" }), []);
  const origin = "https://app.example";
  assert.deepEqual(await refused({ origin: `${origin}/?key=1` }), [`request_refused forbidden_origin ${origin}`]);
  assert.deepEqual(await refused({ origin: "null" }), []);
  let told = 0;
  for (let i = 0; i < 30; i++) told += (await refused({ host: `${i}.example` })).length;
  assert.equal(told, 18);
});

test("A request names its host exactly once", async () => {
  await using server = await startServer();
  const send = async (head: string): Promise<string> => {
    const text = await exchangeRaw(server.port, `${head}\r\nConnection: close\r\n\r\n`);
    return `${text.slice(9, 12)} ${/"error":"(\w+)"/.exec(text)?.[1] ?? ""}`.trim();
  };
  assert.equal(await send("GET /livez HTTP/1.1\r\nHost: localhost"), "200");
  assert.equal(await send("GET /livez HTTP/1.1"), "400 malformed_request");
  assert.equal(await send("GET /livez HTTP/1.1\r\nHost:"), "403 forbidden_host");
  assert.equal(await send("GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"), "400 malformed_request");
  assert.equal(await send("GET /livez HTTP/1.1\r\nHost: localhost\r\nhOST: localhost"), "400 malformed_request");
  assert.equal(await send("GET /livez HTTP/1.0"), "403 forbidden_host");
  // An absolute address replaces the Host header (RFC 9112, section 3.2.2).
  assert.equal(await send("GET http://localhost/livez HTTP/1.1\r\nHost: evil.example"), "200");
  assert.equal(await send("GET http://evil.example/livez HTTP/1.1\r\nHost: localhost"), "403 forbidden_host");
  assert.equal(await send("GET http://localhost@evil.example/livez HTTP/1.1\r\nHost: localhost"), "403 forbidden_host");
  const twoOrigins =
    "GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example";
  assert.equal(await send(twoOrigins), "403 forbidden_origin");
});

test("A preflight of an allowed origin learns methods and headers of the route, and never credentials", async () => {
  await using server = await startServer({ allowedOrigins: ["https://app.example.com"] });
  const ask = { origin: "https://app.example.com", "access-control-request-method": "POST" };
  const answer = await server.call("OPTIONS", "/mcp", ask);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers["access-control-allow-origin"], "https://app.example.com");
  assert.equal(answer.headers["access-control-allow-methods"], "POST, GET, DELETE, OPTIONS");
  assert.equal(answer.headers["access-control-allow-credentials"], undefined);
  assert.equal(answer.headers.vary, "Origin");
  const allowed = answer.headers["access-control-allow-headers"]?.toLowerCase().split(", ") ?? [];
  const needed = ["content-type", "authorization", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"];
  assert.deepEqual(
    needed.filter((name) => !allowed.includes(name)),
    [],
  );
  const picture = await server.call("OPTIONS", "/images/img_1", { ...ask, "access-control-request-method": "GET" });
  assert.equal(picture.headers["access-control-allow-methods"], "GET, HEAD, DELETE, OPTIONS");
  const plain = await server.call("OPTIONS", "/mcp");
  assert.deepEqual([plain.status, plain.headers["access-control-allow-methods"]], [204, undefined]);
  assert.equal(plain.headers.allow, "POST, GET, DELETE, OPTIONS");
  const foreign = await server.call("OPTIONS", "/mcp", { ...ask, origin: "https://evil.example" });
  assert.deepEqual([foreign.status, foreign.headers["access-control-allow-methods"]], [403, undefined]);
});
