import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { InvalidSettingsError } from "./setting-fault.ts";
import { parseSettings } from "./load-settings.ts";
import { V2_ROLES } from "./v2-mapping.ts";

/** The rule in the fault of this mapping. */
function ruleOf(mapping: string): string {
  try {
    parseSettings({ KSERVE_V2_MAPPING: mapping });
  } catch (error) {
    assert.ok(error instanceof InvalidSettingsError);
    const [fault, ...more] = error.faults;
    assert.deepEqual(more, []);
    assert.equal(fault?.name, "KSERVE_V2_MAPPING");
    return fault.rule;
  }
  assert.fail(`no fault in ${mapping}`);
}

test("KSERVE_V2_MAPPING reads names alone, and names with datatype, shape and parameters", () => {
  const text = JSON.stringify({
    prompt: { name: "6_text", datatype: "BYTES", shape: [1, 1] },
    negative_prompt: "7_text",
    width: "w",
    height: "h",
    steps: { name: "3_steps", datatype: "INT64" },
    guidance: "cfg",
    seed: "3_seed",
    output: { name: "8_0_IMAGE", parameters: { to_base64: true, level: 1, kind: "png" } },
    binary: true,
  });
  assert.deepEqual(parseSettings({ KSERVE_V2_MAPPING: text }).kserve.v2Mapping, {
    inputs: {
      prompt: { name: "6_text", datatype: "BYTES", shape: [1, 1] },
      negative_prompt: { name: "7_text" },
      width: { name: "w" },
      height: { name: "h" },
      steps: { name: "3_steps", datatype: "INT64" },
      guidance: { name: "cfg" },
      seed: { name: "3_seed" },
    },
    output: { name: "8_0_IMAGE", parameters: { to_base64: true, level: 1, kind: "png" } },
    binary: true,
  });
  assert.deepEqual(parseSettings({ KSERVE_V2_MAPPING: `{"output":"o"}` }).kserve.v2Mapping, {
    inputs: {},
    output: { name: "o", parameters: {} },
  });
});

test("KSERVE_V2_MAPPING takes the example of the documents", async () => {
  const text = await readFile(new URL("../../docs/kserve.md", import.meta.url), "utf8");
  const example = /```json\n(?<json>[^`]+)```/.exec(text)?.groups?.["json"] ?? "";
  const mapping = parseSettings({ KSERVE_V2_MAPPING: example.replace(/\s+/g, " ").trim() }).kserve.v2Mapping;
  assert.deepEqual(Object.keys(mapping?.inputs ?? {}), [...V2_ROLES]);
});

const faults: [string, RegExp][] = [
  ["prompt=text", /^must be a JSON object$/],
  ["[]", /^must be a JSON object$/],
  [`{"promt":"x"}`, /^must not have the key "promt"; known are prompt, negative_prompt, .*, output, binary$/],
  [`{"prompt":""}`, /^must have under prompt the name of an input/],
  [`{"prompt":5}`, /^must have under prompt the name of an input/],
  [`{"prompt":{"datatype":"BYTES"}}`, /^must have under prompt a name/],
  [`{"prompt":{"name":"x","type":"BYTES"}}`, /^must have under prompt no key "type"; known are name, datatype, shape$/],
  [`{"steps":{"name":"x","datatype":"INT"}}`, /^must have under steps a datatype that is one of BYTES, INT8/],
  [`{"steps":{"name":"x","shape":[2]}}`, /^must have under steps a shape of 1 to 4 ones/],
  [`{"steps":{"name":"x","shape":[]}}`, /^must have under steps a shape of 1 to 4 ones/],
  [`{"width":"x","height":"x"}`, /^must not name the input "x" twice$/],
  [`{"output":{"parameters":{}}}`, /^must have under output a name/],
  [`{"output":{"name":"x","datatype":"BYTES"}}`, /^must have under output no key "datatype"/],
  [`{"output":{"name":"x","parameters":{"a":null}}}`, /^must have under output parameters that are an object of/],
  [`{"output":7}`, /^must have under output the name of an output/],
  [`{"binary":"yes"}`, /^must have under binary true or false$/],
  [`{"prompt":"${"x".repeat(4096)}"}`, /^must have at most 4096 characters$/],
];
for (const [mapping, rule] of faults) {
  test(`KSERVE_V2_MAPPING says what is wrong with ${mapping.slice(0, 60)}`, () => {
    assert.match(ruleOf(mapping), rule);
  });
}
