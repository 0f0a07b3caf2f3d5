import { MCPImageError, type ErrorCode } from "../core/errors.ts";

/** For `assert.rejects`: true for an error of ours with this code. */
export function isErrorWithCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof MCPImageError && error.code === code) return true;
    throw error;
  };
}
