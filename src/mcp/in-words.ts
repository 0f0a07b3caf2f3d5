import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { toMcpImageError } from "../core/errors.ts";

/** What the SDK tells a client of a thrown error is its message: it gets our words for strangers. */
export async function inWords<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const { publicMessage } = toMcpImageError(error);
    throw new ProtocolError(ProtocolErrorCode.InternalError, publicMessage);
  }
}
