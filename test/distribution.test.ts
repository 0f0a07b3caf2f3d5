import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { Ajv } from "ajv";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { bundle } from "../scripts/bundle.ts";
import { createMcpbManifest } from "../scripts/mcpb-manifest.ts";
import { writeLicenses } from "../scripts/write-licenses.ts";
import { writeSbom } from "../scripts/write-sbom.ts";
import { writeZip } from "../scripts/write-zip.ts";
import { SETTING_NAMES, getSettingDefinition } from "../src/config/settings-table.ts";
import { COMMAND, freshEnvironment, TemporaryFolder } from "./support/server-process.ts";

const root = resolve(import.meta.dirname, "..");
const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** The members of the registry's published schema that `server.json` uses. */
const SERVER_SCHEMA = {
  type: "object",
  additionalProperties: false,
  required: ["$schema", "name", "description", "version", "packages"],
  properties: {
    $schema: { const: "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json" },
    name: { type: "string", pattern: "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", minLength: 3, maxLength: 200 },
    title: { type: "string", minLength: 1, maxLength: 100 },
    description: { type: "string", minLength: 1, maxLength: 100 },
    version: { type: "string", maxLength: 255 },
    packages: {
      type: "array",
      items: {
        type: "object",
        additionalProperties: false,
        required: ["registryType", "identifier", "version", "transport"],
        properties: {
          registryType: { enum: ["npm", "pypi", "oci", "nuget", "mcpb"] },
          identifier: { type: "string" },
          version: { type: "string", not: { const: "latest" } },
          runtimeHint: { type: "string" },
          transport: {
            type: "object",
            additionalProperties: false,
            required: ["type"],
            properties: { type: { const: "stdio" } },
          },
          environmentVariables: {
            type: "array",
            items: {
              type: "object",
              additionalProperties: false,
              required: ["name", "description"],
              properties: {
                name: { type: "string" },
                description: { type: "string" },
                default: { type: "string" },
                format: { enum: ["string", "number", "boolean", "filepath"] },
                isSecret: { type: "boolean" },
                isRequired: { type: "boolean" },
              },
            },
          },
        },
      },
    },
  },
};

describe("server.json", () => {
  const server = JSON.parse(readFileSync(join(root, "server.json"), "utf8"));

  test("keeps the schema of the MCP registry, and the names and version of package.json", () => {
    const ajv = new Ajv({ allErrors: true });
    assert.ok(ajv.validate(SERVER_SCHEMA, server), ajv.errorsText());
    const [npm] = server.packages;
    assert.deepEqual([server.name, server.version], [packageJson.mcpName, packageJson.version]);
    assert.deepEqual([npm.identifier, npm.version], [packageJson.name, packageJson.version]);
  });

  test("names settings that exist, and marks the secret ones", () => {
    for (const { name, isSecret } of server.packages[0].environmentVariables) {
      const setting = SETTING_NAMES.find((known) => known === name);
      assert.ok(setting, name);
      assert.equal(isSecret === true, getSettingDefinition(setting).secret === true, name);
    }
  });
});

describe("createMcpbManifest()", () => {
  const manifest = JSON.parse(JSON.stringify(createMcpbManifest()));

  test("lists the tools that the server has", async () => {
    using home = new TemporaryFolder();
    const client = new Client({ name: "test", version: "1" });
    const env = { ...freshEnvironment(home.path), PORT: "0" };
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [COMMAND], env, stderr: "ignore" }),
    );
    const { tools } = await client.listTools();
    await client.close();
    const names = manifest.tools.map(({ name }: { name: string }) => name);
    assert.deepEqual(names.sort(), tools.map(({ name }) => name).sort());
  });

  test("hands only what the person configures to settings that exist, secrets as such", () => {
    for (const [name, value] of Object.entries(manifest.server.mcp_config.env)) {
      const setting = SETTING_NAMES.find((known) => known === name);
      const [, key = ""] = /^\$\{user_config\.(\w+)\}$/.exec(String(value)) ?? [];
      const option = manifest.user_config[key];
      assert.ok(setting && option, name);
      assert.equal(option.sensitive === true, getSettingDefinition(setting).secret === true, name);
      // What has no value would be handed over as its placeholder.
      assert.equal(typeof option.default, "string", key);
    }
    assert.deepEqual([manifest.manifest_version, manifest.version], ["0.3", packageJson.version]);
  });
});

describe("writeZip()", () => {
  test("writes archives that others can read, and the same for the same files", () => {
    using folder = new TemporaryFolder();
    const entries = [
      { path: "manifest.json", bytes: Buffer.from("{}\n") },
      { path: "a/empty", bytes: Buffer.alloc(0) },
      { path: "a/größe.txt", bytes: Buffer.from("x".repeat(100_000)) },
    ];
    const archive = writeZip(entries);
    assert.deepEqual(writeZip(entries), archive);
    const file = join(folder.path, "a.zip");
    writeFileSync(file, archive);
    const script = `import json,sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(json.dumps([[i.filename,i.file_size,z.read(i).decode()[:3]] for i in z.infolist()]))`;
    const read = JSON.parse(execFileSync("python3", ["-c", script, file], { encoding: "utf8" }));
    assert.deepEqual(read, [
      ["manifest.json", 3, "{}\n"],
      ["a/empty", 0, ""],
      ["a/größe.txt", 100_000, "xxx"],
    ]);
  });
});

describe("bundle()", async () => {
  const bundled = await bundle({ write: false });

  test("leaves two packages to the installation, as they are part of the library's interface", () => {
    assert.deepEqual(Object.keys(packageJson.dependencies), ["@modelcontextprotocol/server", "zod"]);
  });

  test("writeSbom() lists what is installed and what dist/ holds, marked as such", () => {
    using folder = new TemporaryFolder();
    const file = join(folder.path, "sbom.cdx.json");
    writeSbom(root, bundled, file);
    const { bomFormat, metadata, components } = JSON.parse(readFileSync(file, "utf8"));
    assert.deepEqual([bomFormat, metadata.component.name], ["CycloneDX", packageJson.name]);
    const name = (component: { name: string }): string => component.name;
    const isBundled = (component: { properties: { name: string }[] }): boolean =>
      component.properties?.[0]?.name === "cdx:npm:package:bundled";
    const held: string[] = components.filter(isBundled).map(name);
    for (const known of ["@aws-sdk/client-s3", "commander", "onnxruntime-web", "pino-pretty", "zod"]) {
      assert.ok(held.includes(known), known);
    }
    const all: string[] = components.map(name);
    for (const known of Object.keys(packageJson.dependencies)) assert.ok(all.includes(known), known);
    assert.ok(!all.includes("typescript"));
    // Every component says under what it is licensed.
    for (const component of components) assert.ok(component.licenses?.length > 0, component.name);
  });

  test("writeLicenses() gives the text for each package that dist/ holds", () => {
    using folder = new TemporaryFolder();
    const file = join(folder.path, "licenses.txt");
    writeLicenses(root, bundled, file);
    const text = readFileSync(file, "utf8");
    for (const path of bundled) {
      const { name, version } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));
      assert.ok(text.includes(`${name} ${version} (`), path);
    }
    for (const words of ["Apache License", "Permission is hereby granted", "Redistribution and use", "Blue Oak"]) {
      assert.ok(text.includes(words), words);
    }
  });
});
