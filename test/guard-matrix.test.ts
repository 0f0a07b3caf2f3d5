import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJson, startServer } from "./http-support.ts";

/** Whether a Host names this server, whose address is `https://images.example.com` with two further names. */
const HOSTS: readonly (readonly [string, boolean])[] = [
  ["localhost:1234", true],
  ["127.0.0.1", true],
  ["[::1]:80", true],
  ["images.example.com", true],
  ["Images.Example.com:443", true],
  ["images.example.com.", true],
  ["api.internal:8000", true],
  ["a.tools.svc", true],
  ["b.a.tools.svc:1", true],
  ["tools.svc", false],
  ["images.example.com.evil.example", false],
  ["evil-images.example.com", false],
  ["images.example.com@evil.example", false],
  ["evil.example", false],
  ["evil.example:443", false],
  ["10.0.0.1", false],
  ["[2001:db8::1]", false],
  ["169.254.169.254", false],
  ["localhost.evil.example", false],
  ["127.0.0.1.nip.io", false],
  ["0.0.0.0", false],
  ["null", false],
  ["images.example.com:99999", false],
  ["*.tools.svc", false],
  ["xn--images-example", false],
];

/** Whether an Origin may call, whatever the Host; `own` is the one of the very Host. */
const ORIGINS: readonly (readonly [string | undefined, boolean | "own"])[] = [
  [undefined, true],
  ["https://images.example.com", true],
  ["https://app.example.com", true],
  ["https://APP.example.com:443", true],
  ["https://x.apps.example.com", true],
  ["own", "own"],
  ["null", false],
  ["https://evil.example", false],
  ["http://app.example.com", false],
  ["https://app.example.com:8443", false],
  ["https://app.example.com.", false],
  ["https://app.example.com.evil.example", false],
  ["https://evil.example#app.example.com", false],
  ["https://app.example.com@evil.example", false],
  ["https://user:pass@app.example.com", false],
  ["https://apps.example.com", false],
  ["https://app.example.com/", false],
  ["file://", false],
  ["app.example.com", false],
  ["chrome-extension://abcdefghijklmnop", false],
];

test("500 pairs of Host and Origin are each answered rightly, and nothing of them comes back", async () => {
  await using server = await startServer({
    publicBaseUrl: "https://images.example.com",
    allowedHosts: ["api.internal", "*.tools.svc"],
    allowedOrigins: ["https://app.example.com", "https://*.apps.example.com"],
  });
  let count = 0;
  for (const [host, isOurs] of HOSTS) {
    for (const [origin, verdict] of ORIGINS) {
      count++;
      const sent = verdict === "own" ? `http://${host.replace(/:80$/, "").replace(/\.$/, "")}` : origin;
      const answer = await server.get("/livez", { host, ...(sent !== undefined && { origin: sent }) });
      const expected = !isOurs ? "forbidden_host" : verdict === false ? "forbidden_origin" : undefined;
      const name = `${host} ${String(sent)}`;
      assert.equal(answer.status, expected === undefined ? 200 : 403, name);
      if (expected === undefined) {
        assert.equal(answer.headers["access-control-allow-origin"], sent, name);
      } else {
        assert.equal((parseJson(answer) as { error: string }).error, expected, name);
        assert.equal(answer.headers["access-control-allow-origin"], undefined, name);
        assert.doesNotMatch(JSON.stringify(answer.headers) + answer.body.toString(), /evil|pass@|nip\.io/, name);
      }
      assert.equal(answer.headers["access-control-allow-credentials"], undefined, name);
    }
  }
  assert.equal(count, 500);
});
