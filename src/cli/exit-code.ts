import { MCPImageError, type ErrorCode } from "../core/errors.ts";

/** Exit codes as sysexits(3) names them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 64,
  dataError: 65,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  ioError: 74,
  temporaryFailure: 75,
  configuration: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const CODES: Partial<Record<ErrorCode, ExitCode>> = {
  configuration_invalid: EXIT.configuration,
  invalid_argument: EXIT.usage,
  invalid_image_id: EXIT.usage,
  image_exists: EXIT.cannotCreate,
  storage_full: EXIT.cannotCreate,
  storage_write_failed: EXIT.cannotCreate,
  storage_read_failed: EXIT.ioError,
  storage_list_failed: EXIT.ioError,
  storage_delete_failed: EXIT.ioError,
  internal: EXIT.software,
};

/** The exit code for an error that ended a command: what cannot be reached is `unavailable`. */
export function toExitCode(error: unknown): ExitCode {
  if (!(error instanceof MCPImageError)) return EXIT.software;
  return CODES[error.code] ?? EXIT.unavailable;
}
