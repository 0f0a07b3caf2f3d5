import assert from "node:assert/strict";
import { test } from "node:test";
import { presignS3Get, toObjectUrl } from "./s3-presign.ts";

test("presignS3Get() signs the example of AWS's documentation as it stands there", () => {
  const url = presignS3Get({
    url: new URL("https://examplebucket.s3.amazonaws.com/test.txt"),
    region: "us-east-1",
    credentials: {
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    },
    nowMs: Date.UTC(2013, 4, 24),
    expiresSeconds: 86_400,
  });
  assert.equal(
    url,
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
      "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
      "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
  );
});

test("presignS3Get() signs further parameters and the token of temporary keys, and never shows the secret", () => {
  const url = presignS3Get({
    url: new URL("http://127.0.0.1:9000/pictures/a"),
    region: "eu-central-1",
    credentials: { accessKeyId: "ASIA", secretAccessKey: "secret", sessionToken: "a+b/c=" },
    nowMs: 0,
    expiresSeconds: 60,
    parameters: { "response-content-disposition": 'inline; filename="a (1).png"' },
  });
  const { searchParams, origin } = new URL(url);
  assert.equal(origin, "http://127.0.0.1:9000");
  assert.equal(searchParams.get("X-Amz-Security-Token"), "a+b/c=");
  assert.equal(searchParams.get("response-content-disposition"), 'inline; filename="a (1).png"');
  assert.equal(url.includes("secret"), false);
});

test("toObjectUrl() addresses AWS by host and other servers by path", () => {
  const address = { bucket: "pictures", key: "mcp images/a+b", region: "eu-central-1", endpointUrl: undefined };
  assert.equal(toObjectUrl(address).href, "https://pictures.s3.eu-central-1.amazonaws.com/mcp%20images/a%2Bb");
  assert.equal(
    toObjectUrl({ ...address, bucket: "my.pictures" }).href,
    "https://s3.eu-central-1.amazonaws.com/my.pictures/mcp%20images/a%2Bb",
  );
  assert.equal(toObjectUrl({ ...address, region: "cn-north-1" }).host, "pictures.s3.cn-north-1.amazonaws.com.cn");
  assert.equal(
    toObjectUrl({ ...address, endpointUrl: "http://s3.local:9000/base/" }).href,
    "http://s3.local:9000/base/pictures/mcp%20images/a%2Bb",
  );
});
