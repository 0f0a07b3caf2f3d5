import { ERROR_TABLE } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import { parseHostAndPort } from "./host-name.ts";

/** Strangers invent names without end. */
const MAX_NAMES = 20;

const logger = getLogger("http");

/** Tells each name that was refused once: whoever set up the server looks for it in the log. */
export class RefusalLog {
  readonly #told = new Set<string>();

  tell(code: "forbidden_host" | "forbidden_origin", header: string | undefined): void {
    const name = (code === "forbidden_host" ? toHostName(header) : toOrigin(header))?.slice(0, 253);
    if (name === undefined || this.#told.has(name) || this.#told.size >= MAX_NAMES) return;
    this.#told.add(name);
    const field = code === "forbidden_host" ? "host" : "origin";
    logger.warn("request_refused", { error_code: code, [field]: name, remedy: ERROR_TABLE[code].remedy });
  }
}

function toHostName(header: string | undefined): string | undefined {
  return header === undefined ? undefined : parseHostAndPort(header)?.name;
}

function toOrigin(header: string | undefined): string | undefined {
  const origin = header === undefined ? undefined : URL.parse(header)?.origin;
  return origin === "null" ? undefined : origin;
}
