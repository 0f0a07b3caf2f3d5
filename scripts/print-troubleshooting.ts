import { ERROR_TABLE } from "../src/core/errors.ts";
import { getSettingDefinition, SETTING_NAMES } from "../src/config/settings-table.ts";

/** The settings of the earlier Python server, in its order. */
const EARLIER_SETTINGS = [
  "SERVICE_NAME",
  "LOG_LEVEL",
  "HOST",
  "PORT",
  "WORKERS",
  "STORAGE_BACKEND",
  "STORAGE_PATH",
  "S3_BUCKET",
  "S3_PREFIX",
  "S3_ENDPOINT_URL",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_REGION",
  "KSERVE_ENDPOINT",
  "KSERVE_MODEL_NAME",
  "KSERVE_TIMEOUT",
  "KSERVE_MAX_RETRIES",
  "IMAGE_CLEANUP_INTERVAL",
  "IMAGE_TTL",
  "MAX_IMAGE_SIZE",
];

/** The table of `docs/troubleshooting.md` with what to do about each error code. */
export function printRemediesMarkdown(): string {
  const rows = Object.entries(ERROR_TABLE).map(([code, { retryable, remedy }]) => {
    return `| \`${code}\` | ${retryable ? "yes" : "no"} | ${remedy.replaceAll("|", String.raw`\|`)} |`;
  });
  return `${["| code | may the same call succeed later | what to do |", "|---|---|---|", ...rows].join("\n")}\n`;
}

/** The settings of `docs/migration.md` that kept their names, with their defaults of today. */
export function printKeptSettingsMarkdown(): string {
  const rows = EARLIER_SETTINGS.map((earlier) => {
    const name = SETTING_NAMES.find((known) => known === earlier);
    if (name === undefined) throw new Error(`${earlier} is no setting any more`);
    const { default: fallback } = getSettingDefinition(name);
    return `| \`${name}\` | ${fallback === undefined ? "" : `\`${fallback}\``} |`;
  });
  return `${["| setting | default |", "|---|---|", ...rows].join("\n")}\n`;
}
