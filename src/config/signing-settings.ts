import { certificateChain, signingKey } from "./signing-kinds.ts";
import type { SettingDefinition } from "./settings-table.ts";

/** What pictures are signed with; the names are those of c2patool. */
export const SIGNING_SETTINGS = {
  C2PA_SIGN_CERT: {
    group: "Images",
    description:
      "Certificate that every picture is signed with as C2PA says, so that anybody can see that this server made it and that nobody changed it; needs the package `@trustnxt/c2pa-ts`. Unset: pictures are not signed.",
    kind: certificateChain(),
    exampleFile: "/etc/mcp-image-server/c2pa-chain.pem",
    secret: true,
  },
  C2PA_PRIVATE_KEY: {
    group: "Images",
    description: "Key that belongs to `C2PA_SIGN_CERT`.",
    kind: signingKey(),
    exampleFile: "/run/secrets/c2pa-private-key.pem",
    secret: true,
  },
} as const satisfies Record<string, SettingDefinition>;
