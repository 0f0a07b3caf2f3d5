import type { PendingImage } from "../images/image-jobs.ts";
import { toErrorAnswer, toJsonAnswer, type Answer } from "./answer.ts";

const RETRY_AFTER_SECONDS = 2;

/** What is said of a picture that is not there: that it is coming, or why it is not. */
export function toPendingAnswer(pending: PendingImage): Answer {
  if (pending.status === "failed") return toErrorAnswer(pending.error);
  return toJsonAnswer(pending.response.metadata, 202, ["Retry-After", String(RETRY_AFTER_SECONDS)]);
}
