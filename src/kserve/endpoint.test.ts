import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { chooseModelName, chooseProtocol, parseEndpoint } from "./endpoint.ts";

// Proves: KSERVE-1
suite("parseEndpoint()", () => {
  const unnamed = { modelName: undefined, modelVersion: undefined, protocol: undefined, apiPath: undefined };
  const base = { isSecure: false, hostname: "model", port: undefined, pathPrefix: "", ...unnamed };
  const accepted: [string, object][] = [
    ["http://model", {}],
    ["  http://model/ ", {}],
    ["HTTPS://Model:8443", { isSecure: true, port: 8443 }],
    ["http://[::1]:8080", { hostname: "::1", port: 8080 }],
    ["http://model/serving/ns/name//", { pathPrefix: "/serving/ns/name" }],
    ["http://model/v1", {}],
    ["http://model/v1/models", {}],
    ["http://model/v1/models/sd", { modelName: "sd", protocol: "v1" }],
    ["http://model/v1/models/sd:predict", { modelName: "sd", protocol: "v1" }],
    ["http://model/v1/models/sd%3Apredict/", { modelName: "sd", protocol: "v1" }],
    ["http://model/ns/v1/models/a%2Fb:predict", { modelName: "a/b", pathPrefix: "/ns", protocol: "v1" }],
    ["http://model/v2", { protocol: "v2" }],
    ["http://model/ns/v2/models", { pathPrefix: "/ns", protocol: "v2" }],
    ["http://model/v2/models/sd", { modelName: "sd", protocol: "v2" }],
    ["http://model/v2/models/sd/infer", { modelName: "sd", protocol: "v2" }],
    ["http://model/v2/models/sd/ready/", { modelName: "sd", protocol: "v2" }],
    ["http://model/v2/models/sd/versions/3/infer", { modelName: "sd", modelVersion: "3", protocol: "v2" }],
    ["http://model/ns/v1/images/generations", { pathPrefix: "/ns", protocol: "openai", apiPath: "/v1" }],
    ["http://model/v3/images/generations", { protocol: "openai", apiPath: "/v3" }],
    ["http://model/v3", { protocol: "openai", apiPath: "/v3" }],
    ["http://model/openai/v1", { protocol: "openai", apiPath: "/openai/v1" }],
    ["http://model/openai/v1/images/generations", { protocol: "openai", apiPath: "/openai/v1" }],
    ["http://model/openai", { pathPrefix: "/openai" }],
  ];
  for (const [text, expected] of accepted) {
    test(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseEndpoint(text), { ...base, ...expected });
    });
  }

  const refused: [string, RegExp][] = [
    ["", /not a URL/],
    ["model.example.com", /not a URL/],
    ["ftp://model", /http:\/\/ or https:\/\//],
    ["http://user:pa55word@model", /user name or password/],
    ["http://model/?x=1", /query/],
    ["http://model?", /query/],
    ["http://model/#x", /fragment/],
    ["http://model/v1/models/:predict", /empty/],
    ["http://model/v1/models/%E0%A4%A", /encoded/],
  ];
  for (const [text, reason] of refused) {
    test(`refuses ${JSON.stringify(text)} and names the setting, not the value`, () => {
      assert.throws(
        () => parseEndpoint(text),
        (error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, /^KSERVE_ENDPOINT is not valid: /);
          assert.match(error.message, reason);
          assert.doesNotMatch(error.message, /pa55word/);
          return true;
        },
      );
    });
  }
});

suite("chooseProtocol()", () => {
  test("takes the setting, else what the URL ends with", () => {
    assert.equal(chooseProtocol(parseEndpoint("http://model"), "auto"), undefined);
    assert.equal(chooseProtocol(parseEndpoint("http://model"), "v2"), "v2");
    assert.equal(chooseProtocol(parseEndpoint("http://model/v2"), "auto"), "v2");
    assert.equal(chooseProtocol(parseEndpoint("http://model/v1"), "openai"), "openai");
  });

  test("refuses a setting that the URL contradicts", () => {
    assert.throws(
      () => chooseProtocol(parseEndpoint("http://model/v1/models/sd:predict"), "v2"),
      (error) => error instanceof ConfigurationError && error.message.includes("KSERVE_PROTOCOL is v2"),
    );
  });
});

suite("chooseModelName()", () => {
  test("takes the setting, else the name in the URL", () => {
    const endpoint = parseEndpoint("http://model/v1/models/sd");
    assert.equal(chooseModelName(endpoint, undefined), "sd");
    assert.equal(chooseModelName(endpoint, "sd"), "sd");
    assert.equal(chooseModelName(parseEndpoint("http://model"), "sd"), "sd");
    assert.equal(chooseModelName(parseEndpoint("http://model"), undefined), undefined);
  });

  test("refuses two names that differ", () => {
    assert.throws(
      () => chooseModelName(parseEndpoint("http://model/v1/models/sd"), "sdxl"),
      (error) => error instanceof ConfigurationError && error.message.includes("KSERVE_MODEL_NAME"),
    );
  });
});
