import { MCPImageError } from "../../core/errors.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { toListUrl, type HubAddress } from "./hub-address.ts";
import type { HubConnection } from "./hub-connection.ts";

/** A file of a model, as the hub lists it. */
export interface HubFile {
  /** In the repository. */
  readonly path: string;
  /** In the model's folder. */
  readonly target: string;
  readonly sizeBytes: number;
  /** Hexadecimal; of a large file the SHA-256 of its content, of a small one git's name of it. */
  readonly checksum: { readonly kind: "sha256" | "git"; readonly value: string };
}

/** What the engine reads of an export; weights in other formats, and parts that it has no use for, stay there. */
const NEEDED =
  /^(?:model_index\.json|generation_config\.json|scheduler\/scheduler_config\.json|tokenizer(?:_2)?\/[\w.-]+\.(?:json|txt)|(?:text_encoder(?:_2)?|unet|vae_decoder)\/(?:config\.json|[\w.-]+\.onnx(?:[_.]data)?))$/;

const MAX_LIST_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 50;
const SHA256 = /^[0-9a-f]{64}$/;
const SHA1 = /^[0-9a-f]{40}$/;

/** @throws {MCPImageError} `not_found`, `upstream_error` or `upstream_unavailable` when the hub gives no list of a model's files */
export async function listHubFiles(hub: HubConnection, address: HubAddress): Promise<readonly HubFile[]> {
  const files: HubFile[] = [];
  let url: string | undefined = toListUrl(address);
  for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
    const { text, next } = await hub.getText(url, MAX_LIST_BYTES);
    files.push(...parseFiles(text, address));
    url = next;
  }
  if (files.some(({ target }) => target === "model_index.json")) return files;
  const where = address.folder === "" ? address.repository : `${address.repository}, folder ${address.folder}`;
  throw new MCPImageError("not_found", `There is no model_index.json in ${where}: it holds no diffusers model`);
}

function parseFiles(text: string, address: HubAddress): HubFile[] {
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    entries = undefined;
  }
  if (!Array.isArray(entries)) {
    throw new MCPImageError("upstream_error", `The hub at ${address.origin} gave no list of files`);
  }
  return (entries as readonly JsonValue[]).flatMap((entry) => parseFile(entry, address.folder) ?? []);
}

function parseFile(entry: JsonValue, folder: string): HubFile | undefined {
  if (!isJsonObject(entry) || entry["type"] !== "file") return undefined;
  const { path, size, oid, lfs } = entry;
  if (typeof path !== "string" || typeof size !== "number" || !Number.isSafeInteger(size)) return undefined;
  const prefix = folder === "" ? "" : `${folder}/`;
  const target = path.startsWith(prefix) ? path.slice(prefix.length) : "";
  if (!NEEDED.test(target)) return undefined;
  const large = isJsonObject(lfs) ? lfs["oid"] : undefined;
  if (typeof large === "string" && SHA256.test(large)) {
    return { path, target, sizeBytes: size, checksum: { kind: "sha256", value: large } };
  }
  if (typeof oid !== "string" || !SHA1.test(oid)) return undefined;
  return { path, target, sizeBytes: size, checksum: { kind: "git", value: oid } };
}
