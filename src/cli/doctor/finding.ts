import { ERROR_TABLE, toMcpImageError, type ErrorCode } from "../../core/errors.ts";

/** What one check found, and what to do about it. */
export interface Finding {
  /** In one word or two, such as `model`. */
  readonly check: string;
  readonly status: "ok" | "warn" | "fail" | "skip";
  readonly message: string;
  readonly remedy?: string;
}

/** A finding for an error: our words for it, and the remedy of its code. */
export function toFailure(check: string, error: unknown): Finding {
  const { code, message, details } = toMcpImageError(error);
  const { hint } = details;
  return fail(check, message, typeof hint === "string" ? hint : ERROR_TABLE[code].remedy);
}

/** A finding for an error of which only the code is known. */
export function toFailureOfCode(check: string, code: ErrorCode): Finding {
  return fail(check, ERROR_TABLE[code].publicMessage, ERROR_TABLE[code].remedy);
}

export function ok(check: string, message: string): Finding {
  return { check, status: "ok", message };
}

export function warn(check: string, message: string, remedy: string): Finding {
  return { check, status: "warn", message, remedy };
}

export function fail(check: string, message: string, remedy: string): Finding {
  return { check, status: "fail", message, remedy };
}

export function skip(check: string, message: string): Finding {
  return { check, status: "skip", message };
}

/** The findings as lines that a person reads: what was looked at, what was found, and below it what to do. */
export function printFindings(findings: readonly Finding[]): string {
  const columns = Math.max(...findings.map(({ check }) => check.length)) + 2;
  const lines = findings.flatMap(({ check, status, message, remedy }) => [
    `${status.padEnd(6)}${check.padEnd(columns)}${message}`,
    ...(remedy === undefined ? [] : [`${" ".repeat(6 + columns)}-> ${remedy}`]),
  ]);
  return `${lines.join("\n")}\n`;
}
