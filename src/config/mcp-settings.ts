import { yesOrNo } from "./endpoint-kinds.ts";
import { choice, integer, secondsOr } from "./setting-kinds.ts";
import type { SettingDefinition } from "./settings-table.ts";

const DAY_SECONDS = 86_400;

/** The part of the table about MCP. */
export const MCP_SETTINGS = {
  MCP_MAX_SESSIONS: {
    group: "MCP",
    description: "Sessions of the sessionful protocol that may be open at once.",
    kind: integer({ min: 1, max: 100_000 }),
    default: "1000",
  },
  MCP_SESSION_IDLE_TIMEOUT: {
    group: "MCP",
    description: "Seconds after which an idle session is closed.",
    kind: integer({ min: 1, max: DAY_SECONDS }),
    default: "1800",
  },
  MCP_ADOPT_SESSIONS: {
    group: "MCP",
    description:
      "Whether a replica goes on with a session that another one began: for several replicas behind a load balancer that does not keep a client on one.",
    kind: choice(["true", "false"]),
    default: "false",
  },
  MCP_PREVIEW: {
    group: "MCP",
    description:
      "What of a picture the result of `generate_image` and `vary_image` carries beside its URL: nothing, at most 512 pixels (`thumb`), or at most 1024 (`full`).",
    kind: choice(["off", "thumb", "full"]),
    default: "off",
  },
  MCP_RESOURCE_LINK: {
    group: "MCP",
    description: "Whether results carry a resource link; a few clients lose the whole result over it.",
    kind: yesOrNo(),
    default: "true",
  },
  MCP_TASKS: {
    group: "MCP",
    description:
      "Whether `generate_image` answers clients that declare the Tasks extension with a task at once, whose id is that of the picture.",
    kind: yesOrNo(),
    default: "false",
  },
  MAX_WAIT: {
    group: "MCP",
    description:
      "Seconds after which a tool answers that its picture is still being drawn, to a client that hears nothing meanwhile; the picture comes all the same, and `view_image` waits for it. `never` waits to the end.",
    kind: secondsOr("never", { min: 1, max: DAY_SECONDS }),
    default: "40",
  },
  MAX_WAIT_WITH_PROGRESS: {
    group: "MCP",
    description:
      "The same for a client that asked for progress notifications; many of those give up after 60 seconds all the same.",
    kind: secondsOr("never", { min: 1, max: DAY_SECONDS }),
    default: "55",
  },
} as const satisfies Record<string, SettingDefinition>;
