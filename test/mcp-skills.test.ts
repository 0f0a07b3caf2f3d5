import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import * as z from "zod";
import { connectMcpHttp, ERAS, serveMcpHttp } from "./support/mcp-clients.ts";
import { createMcpParts } from "./support/mcp-parts.ts";

const NAME = "write-image-prompts";
const URI = `skill://${NAME}/SKILL.md`;
const TEXT = readFileSync(resolve(import.meta.dirname, `../skills/${NAME}/SKILL.md`), "utf8");

const skillSchema = z.looseObject({
  uri: z.string(),
  frontmatter: z.looseObject({ name: z.string(), description: z.string() }),
});
const listSchema = z.looseObject({ skills: z.array(skillSchema) });

for (const era of ERAS) {
  describe(`Skills in the ${era} era`, () => {
    test("are declared, listed, and read whole", async () => {
      const parts = createMcpParts();
      await using http = await serveMcpHttp({ build: parts.build });
      const client = await connectMcpHttp(http.url, era);
      assert.deepEqual(client.getServerCapabilities()?.extensions?.["io.modelcontextprotocol/skills"], {});
      const { skills } = await client.request({ method: "skills/list", params: {} }, listSchema);
      assert.deepEqual(
        skills.map(({ uri, frontmatter }) => [uri, frontmatter.name]),
        [[URI, NAME]],
      );
      const digest = `sha256:${createHash("sha256").update(TEXT).digest("hex")}`;
      assert.ok(JSON.stringify(skills).includes(digest), JSON.stringify(skills));
      const { contents } = await client.readResource({ uri: URI });
      assert.partialDeepStrictEqual(contents, [{ uri: URI, mimeType: "text/markdown", text: TEXT }]);
      const get = async (uri: string) =>
        client.request({ method: "skills/get", params: { uri } }, z.looseObject({ skill: skillSchema }));
      assert.equal((await get(URI)).skill.uri, URI);
      await assert.rejects(get("skill://other/SKILL.md"), { code: -32_602 });
      await assert.rejects(client.readResource({ uri: `skill://${NAME}/../../package.json` }), { code: -32_602 });
      await client.close();
    });
  });
}

test("the skill names the tools as they are called", async () => {
  const parts = createMcpParts();
  await using http = await serveMcpHttp({ build: parts.build });
  const client = await connectMcpHttp(http.url, "modern");
  const { tools } = await client.listTools();
  const known = new Set(tools.map(({ name }) => name));
  const named = Array.from(TEXT.matchAll(/`([a-z]+_image[s]?)`/g), ([, name = ""]) => name);
  assert.ok(named.length >= 4);
  for (const name of named) assert.ok(known.has(name), name);
  await client.close();
});
