import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * Installs a package of Debian when none of the files that it brings is there. No service of it is started.
 *
 * @throws {Error} where only root could, and when there is no such file afterwards
 */
export function requireDebianPackage(name: string, files: readonly string[]): void {
  const isThere = (): boolean => files.some((file) => existsSync(file));
  if (isThere()) return;
  if (process.getuid?.() !== 0)
    throw new Error(`${files[0]} is missing, and only root can install the package ${name}`);
  const options = {
    stdio: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  } as const;
  execFileSync("apt-get", ["update"], options);
  execFileSync("apt-get", ["install", "-y", "--no-install-recommends", name], options);
  if (!isThere()) throw new Error(`${files[0]} is missing although the package ${name} was installed`);
}
