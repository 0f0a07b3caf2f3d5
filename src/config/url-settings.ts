import { signingKeys } from "./access-kinds.ts";
import { choice, integer } from "./setting-kinds.ts";
import type { SettingDefinition } from "./settings-table.ts";

/** Settings of the addresses under which pictures are given out. */
export const URL_SETTINGS = {
  IMAGE_URL_MODE: {
    group: "Images",
    description:
      "Who serves pictures that lie on S3: this server (`proxy`), the bucket, to which this server redirects (`redirect`), or the bucket at once (`presigned`).",
    kind: choice(["proxy", "redirect", "presigned"]),
    default: "proxy",
  },
  URL_SIGNING_KEYS: {
    group: "Images",
    description:
      "Keys that sign the URLs of pictures, which are then given to nobody without a signature: one, or two while they are changed; the first signs, both are accepted.",
    kind: signingKeys(),
    example: "4iV8r2kqT0yN6xWb1mZc9dQh3sFgJ5lp",
    secret: true,
  },
  IMAGE_URL_EXPIRY: {
    group: "Images",
    description: "Seconds that a signed or presigned URL holds at most; it never outlives its picture.",
    kind: integer({ min: 60, max: 604_800 }),
    default: "86400",
  },
} as const satisfies Record<string, SettingDefinition>;
