import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { McpServer } from "@modelcontextprotocol/server";
import { skillEntry, SkillsExtension, type Skill } from "@modelcontextprotocol/server/ext/skills";
import { OnFirstUse } from "../core/on-first-use.ts";
import { findPackageRoot } from "../core/package-root.ts";
import type { McpFeature } from "./mcp-tool.ts";

interface ServedSkill {
  readonly entry: Skill;
  /** By the address of each file. */
  readonly texts: ReadonlyMap<string, string>;
}

const CACHE_HINT = { ttlMs: 3_600_000, cacheScope: "public" } as const;

/** What the package teaches models, by the Skills extension (SEP-2640): the folders of `skills/`, read when first asked for. */
export class ImageSkills implements McpFeature {
  readonly #skills: OnFirstUse<readonly ServedSkill[]>;
  readonly #extension = new SkillsExtension({
    cacheHint: CACHE_HINT,
    source: {
      list: async () => ({ skills: (await this.#skills.load()).map(({ entry }) => entry) }),
      get: async (uri) => (await this.#skills.load()).map(({ entry }) => entry).find((entry) => entry.uri === uri),
      read: async (uri) => {
        const texts = (await this.#skills.load()).map((skill) => skill.texts.get(uri));
        const text = texts.find((found) => found !== undefined);
        return text === undefined ? undefined : { text, mimeType: "text/markdown" };
      },
    },
  });

  constructor(folder: () => string = () => join(findPackageRoot(), "skills")) {
    this.#skills = new OnFirstUse(async () => readSkills(folder()));
  }

  register(server: McpServer): void {
    this.#extension.attach(server);
  }
}

async function readSkills(folder: string): Promise<readonly ServedSkill[]> {
  return Promise.all(
    readdirSync(folder).map(async (name) => {
      const files = Object.fromEntries(
        readdirSync(join(folder, name)).map((file) => [file, readFileSync(join(folder, name, file), "utf8")]),
      );
      const texts = new Map(Object.entries(files).map(([file, text]) => [`skill://${name}/${file}`, text]));
      return { entry: await skillEntry(name, files), texts };
    }),
  );
}
