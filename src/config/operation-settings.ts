import { choice, integer } from "./setting-kinds.ts";
import type { SettingDefinition } from "./settings-table.ts";

/** The settings of what operators see of a server, and of how it stops. */
export const OPERATION_SETTINGS = {
  METRICS_PORT: {
    group: "Operation",
    description:
      "Port of its own for `/metrics`, which then asks nobody who they are; 0 takes a free one. Unset: the port of the server, where with authentication an admin's token is needed.",
    kind: integer({ min: 0, max: 65_535 }),
    example: "9464",
  },
  ACCESS_LOG: {
    group: "Operation",
    description: "Whether every HTTP request is a line in the log; never with its query or its headers.",
    kind: choice(["true", "false"]),
    default: "false",
  },
  AUDIT_LOG: {
    group: "Operation",
    description:
      "Whether the log tells who made, viewed, kept and deleted which picture (`on`), and with which prompt (`prompts`).",
    kind: choice(["off", "on", "prompts"]),
    default: "off",
  },
  DRAIN_DELAY: {
    group: "Operation",
    description:
      "Seconds between SIGTERM and the end of taking work, in which `/readyz` says no already: as long as a load balancer takes to notice.",
    kind: integer({ min: 0, max: 300 }),
    default: "0",
  },
} as const satisfies Record<string, SettingDefinition>;
