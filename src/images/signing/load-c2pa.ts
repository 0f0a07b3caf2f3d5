import { ConfigurationError } from "../../core/errors.ts";
import type * as c2pa from "./c2pa.ts";

export type C2pa = typeof c2pa;

const PACKAGE = "@trustnxt/c2pa-ts";

/**
 * What uses the optional package c2pa-ts.
 *
 * @throws {ConfigurationError} `configuration_invalid` when it is not installed
 */
export async function loadC2pa(importC2pa = async (): Promise<C2pa> => import("./c2pa.ts")): Promise<C2pa> {
  try {
    return await importC2pa();
  } catch (error) {
    const hint = `Run \`npm install ${PACKAGE}\` where mcp-image-server is installed`;
    throw new ConfigurationError("configuration_invalid", `C2PA_SIGN_CERT needs the package ${PACKAGE}. ${hint}`, {
      cause: error,
      details: { hint },
    });
  }
}
