import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { getSettingDefinition } from "../src/config/settings-table.ts";
import { deploy, isVariable, readPackage, readSettings, root } from "./support/deploy-files.ts";
import { readYaml } from "./support/kustomize.ts";

describe("deploy/Dockerfile", () => {
  const instructions = readFileSync(join(deploy, "Dockerfile"), "utf8")
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, instruction = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      assert.notEqual(instruction, "", line);
      return { instruction, rest };
    });
  const stages = instructions.reduce<{ name: string; lines: typeof instructions }[]>((found, line) => {
    const [, name = ""] = /^FROM\s.*\sAS\s(\S+)$/.exec(`${line.instruction} ${line.rest}`) ?? [];
    if (line.instruction === "FROM") found.push({ name, lines: [] });
    found.at(-1)?.lines.push(line);
    return found;
  }, []);
  const runtime = stages.at(-1);

  test("builds in one stage and runs in another, from a base with a version", () => {
    assert.deepEqual(
      stages.map(({ name }) => name),
      ["build", "runtime"],
    );
    const label = instructions.find(({ instruction }) => instruction === "LABEL")?.rest ?? "";
    assert.ok(label.includes(`org.opencontainers.image.version="${readPackage().version}"`));
    const [argument] = instructions;
    assert.doesNotMatch(readFileSync(join(deploy, "Dockerfile"), "utf8"), /^# *syntax=/m, "nothing else is fetched");
    const [, node = ""] = /^NODE_IMAGE=node:([\d.]+)-/.exec(argument?.rest ?? "") ?? [];
    assert.equal(node, readPackage().devDependencies["node"]);
    for (const { instruction, rest } of instructions.filter(({ instruction }) => instruction === "FROM")) {
      assert.match(`${instruction} ${rest}`, /^FROM \$\{NODE_IMAGE\} AS \w+$/);
    }
  });

  test("copies what exists and what .dockerignore lets in", () => {
    const allowed = readFileSync(join(deploy, "Dockerfile.dockerignore"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    for (const name of allowed) assert.ok(existsSync(join(root, name)), name);
    const copies = instructions
      .filter(({ instruction }) => instruction === "COPY")
      .map(({ rest }) => rest.split(/\s+/));
    for (const words of copies.filter(([first]) => !first?.startsWith("--from"))) {
      for (const source of words.slice(0, -1)) {
        const name = source.replace(/^\.\//, "");
        assert.ok(existsSync(join(root, name)), `COPY ${name}`);
        assert.ok(allowed.includes(name), `${name} is in Dockerfile.dockerignore`);
      }
    }
  });

  test("takes over what the build gathered alone, readable by all, with what the command reads beside itself", () => {
    assert.deepEqual(
      (runtime?.lines ?? []).filter(({ instruction }) => instruction === "COPY").map(({ rest }) => rest),
      ["--from=build /runtime/app ./", "--from=build /runtime/data /data"],
    );
    const gathering = instructions.find(({ rest }) => rest.includes("/runtime/app/"))?.rest ?? "";
    // A checkout that was made with the umask 077 is readable by its owner alone.
    assert.match(gathering, / && chmod -R a\+rX,go-w \/runtime\/app$/);
    const copied = Array.from(gathering.matchAll(/cp -r (.*?) \/runtime/g), ([, names = ""]) =>
      names.split(" "),
    ).flat();
    for (const name of [
      "dist/cli",
      "dist/vendor",
      "dist/THIRD-PARTY-LICENSES.txt",
      "models",
      "skills",
      "web",
      "package.json",
    ]) {
      assert.ok(copied.includes(name), `${name} is in the image`);
    }
  });

  test("takes the packages of sharp, all of them", () => {
    const copied = instructions.find(({ rest }) => rest.includes("/runtime/app/node_modules/"))?.rest ?? "";
    const { dependencies } = JSON.parse(readFileSync(join(root, "node_modules/sharp/package.json"), "utf8"));
    for (const name of ["sharp", ...Object.keys(dependencies)]) {
      assert.match(copied, new RegExp(`node_modules/${name.split("/")[0]}[ /]`), name);
    }
  });

  test("runs as a user that is a number and not root, with group 0 able to write where pictures go", () => {
    const users = (runtime?.lines ?? []).filter(({ instruction }) => instruction === "USER");
    assert.deepEqual(
      users.map(({ rest }) => rest),
      ["1001"],
    );
    const last = (runtime?.lines ?? []).map(({ instruction }) => instruction);
    assert.ok(last.indexOf("USER") > last.lastIndexOf("COPY"), "what is copied belongs to root");
    assert.ok(instructions.some(({ rest }) => /chown 1001:0 \/runtime\/data && chmod 2775/.test(rest)));
  });

  test("sets settings that exist, and starts, stops and asks for health without a shell", () => {
    const value = (name: string): string =>
      (runtime?.lines ?? []).find(({ instruction }) => instruction === name)?.rest ?? "";
    for (const [, name = ""] of value("ENV").matchAll(/(\w+)=/g)) {
      assert.ok(name === "HOME" || isVariable(name), name);
    }
    assert.deepEqual(JSON.parse(value("ENTRYPOINT")), ["node", "/app/dist/cli/bin.js"]);
    assert.deepEqual(JSON.parse(value("CMD")), ["serve"]);
    assert.match(value("HEALTHCHECK"), / CMD \["node", "dist\/cli\/bin\.js", "healthcheck"\]$/);
    assert.equal(value("EXPOSE"), getSettingDefinition("PORT").default);
  });
});

describe("deploy/compose.yaml", () => {
  const service = z.looseObject({
    image: z.string(),
    user: z.string(),
    read_only: z.literal(true),
    cap_drop: z.tuple([z.literal("ALL")]),
    security_opt: z.tuple([z.literal("no-new-privileges:true")]),
    build: z.strictObject({ context: z.string(), dockerfile: z.string() }),
    environment: z.record(z.string(), z.string()).default({}),
    ports: z.array(z.string()).default([]),
    volumes: z.array(z.string()).default([]),
    stop_grace_period: z.string().optional(),
  });
  const compose = z
    .strictObject({
      name: z.string(),
      "x-container": z.unknown(),
      services: z.record(z.string(), service),
      volumes: z.record(z.string(), z.strictObject({})),
    })
    .parse(readYaml(join(deploy, "compose.yaml")));

  test("runs our own version, with nothing that a container can do without", () => {
    for (const [name, { image, user, build }] of Object.entries(compose.services)) {
      assert.equal(image, `mcp-image-server:${readPackage().version}`, name);
      assert.equal(user, "1001:0");
      assert.ok(existsSync(resolve(deploy, build.context, build.dockerfile)));
    }
  });

  test("publishes its port to this machine alone, and sets settings that the server takes", () => {
    const { environment, ports, volumes, stop_grace_period } = compose.services["server"] ?? {};
    assert.deepEqual(ports, ["127.0.0.1:8000:8000"]);
    for (const volume of volumes ?? []) assert.ok((volume.split(":")[0] ?? "") in compose.volumes);
    const values = Object.fromEntries(
      Object.entries(environment ?? {}).map(([name, value]) => [name, value.replace(/^\$\{\w+:-(.*)\}$/, "$1")]),
    );
    for (const name of Object.keys(values)) assert.ok(isVariable(name), name);
    const { settings, warnings } = readSettings(values);
    assert.deepEqual(warnings, []);
    assert.ok(Number.parseInt(stop_grace_period ?? "", 10) > settings.http.shutdownTimeoutSeconds);
  });
});

describe("deploy/systemd", () => {
  const path = join(deploy, "systemd/mcp-image-server.service");
  const unit = readFileSync(path, "utf8");
  const values = (key: string): string[] =>
    Array.from(unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm")), ([, value = ""]) => value);

  test("sets settings that the server takes, and waits longer than they say", () => {
    const pairs = values("Environment").flatMap((line) => line.split(" ").map((pair) => pair.split("=")));
    const variables = Object.fromEntries(pairs.filter(([name]) => name !== "NODE_ENV"));
    for (const name of Object.keys(variables)) assert.ok(isVariable(name), name);
    const { settings } = readSettings({ ...variables, KSERVE_ENDPOINT: "https://sd.example.com" });
    assert.equal(settings.http.host, "127.0.0.1");
    assert.ok(Number(values("TimeoutStopSec")[0]) > settings.http.shutdownTimeoutSeconds);
    assert.equal(variables["STORAGE_PATH"], `/var/lib/${values("StateDirectory")[0]}`);
  });

  test("is a unit that systemd understands", (context) => {
    const { stderr, error } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
    if (error) return context.skip("systemd-analyze is not installed");
    const complaints = stderr.split("\n").filter((line) => line !== "" && !line.includes("is not executable"));
    assert.deepEqual(complaints, []);
  });
});
