import { getLogger } from "../logging/logger.ts";
import type { Caller } from "./principal.ts";

export type AuditMode = "off" | "on" | "prompts";

export interface AuditedAct {
  readonly action: "generate" | "view" | "keep" | "release" | "delete" | "cancel";
  readonly caller: Caller;
  readonly imageId: string;
  readonly prompt?: string;
}

const logger = getLogger("audit");

/** Tells in the log who did what with which picture, for those who have to answer for it. */
export class AuditLog {
  readonly #mode: AuditMode;

  constructor(mode: AuditMode = "off") {
    this.#mode = mode;
  }

  record({ action, caller, imageId, prompt }: AuditedAct): void {
    if (this.#mode === "off") return;
    logger.info("image_audited", {
      action,
      principal: caller.principal.id ?? null,
      client: caller.limitId,
      image_id: imageId,
      ...(this.#mode === "prompts" && prompt !== undefined && { prompt }),
    });
  }
}
