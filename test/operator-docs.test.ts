import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { parseSettings } from "../src/config/load-settings.ts";
import { parseEnvFile } from "../src/config/parse-env-file.ts";
import { makeCertificate } from "../src/testing/make-certificate.ts";
import { NGINX, NO_NGINX } from "./support/replicas.ts";
import { TemporaryFolder } from "./support/server-process.ts";

for (const file of ["docs/security.md", "docs/operations.md"]) {
  describe(file, () => {
    const text = readFileSync(resolve(import.meta.dirname, "..", file), "utf8");
    const blocks = Array.from(text.matchAll(/^```env\n([\s\S]*?)^```$/gm), ([, block = ""]) => block);
    assert.ok(blocks.length > 2);
    for (const block of blocks) {
      test(`has settings that are valid: ${block.split("\n")[0]}`, () => {
        const { values, faultyLines } = parseEnvFile(block);
        assert.deepEqual(faultyLines, []);
        parseSettings(values);
      });
    }

    test("names only tests that are there", () => {
      for (const [, path = ""] of text.matchAll(/`((?:test|src)\/[\w./-]+\.ts)`/g)) {
        assert.ok(readFileSync(resolve(import.meta.dirname, "..", path)).length > 0, path);
      }
    });
  });
}

test("nginx takes the example of docs/sizing.md", { skip: NGINX === undefined && NO_NGINX }, () => {
  const text = readFileSync(resolve(import.meta.dirname, "../docs/sizing.md"), "utf8");
  const [, block = ""] = /^```nginx\n(.*?)^```$/ms.exec(text) ?? [];
  assert.match(block, /proxy_read_timeout 300s;/);
  using folder = new TemporaryFolder();
  const { cert, key } = makeCertificate({ commonName: "images.example.com" });
  writeFileSync(join(folder.path, "tls.crt"), cert);
  writeFileSync(join(folder.path, "tls.key"), key);
  // Where a user without rights may write, and to a port that they may have.
  const server = block.replaceAll("/etc/nginx/", `${folder.path}/`).replace("listen 443 ", "listen 127.0.0.1:18443 ");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder.path}/${name};`,
  );
  const file = join(folder.path, "nginx.conf");
  const main = `pid ${folder.path}/pid; error_log ${folder.path}/log; events {}`;
  writeFileSync(file, `${main} http { access_log off; ${temporary.join(" ")} ${server} }`);
  const { status, stderr } = spawnSync(NGINX ?? "", ["-t", "-q", "-e", join(folder.path, "log"), "-c", file], {
    encoding: "utf8",
  });
  assert.deepEqual([status, stderr], [0, ""]);
});
