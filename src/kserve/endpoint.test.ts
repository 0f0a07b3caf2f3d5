import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { chooseModelName, parseEndpoint } from "./endpoint.ts";

// Proves: KSERVE-1
suite("parseEndpoint()", () => {
  const base = { isSecure: false, hostname: "model", port: undefined, pathPrefix: "", modelName: undefined };
  const accepted: [string, object][] = [
    ["http://model", {}],
    ["  http://model/ ", {}],
    ["HTTPS://Model:8443", { isSecure: true, port: 8443 }],
    ["http://[::1]:8080", { hostname: "::1", port: 8080 }],
    ["http://model/serving/ns/name//", { pathPrefix: "/serving/ns/name" }],
    ["http://model/v1", {}],
    ["http://model/v1/models", {}],
    ["http://model/v1/models/sd", { modelName: "sd" }],
    ["http://model/v1/models/sd:predict", { modelName: "sd" }],
    ["http://model/v1/models/sd%3Apredict/", { modelName: "sd" }],
    ["http://model/ns/v1/models/a%2Fb:predict", { modelName: "a/b", pathPrefix: "/ns" }],
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
