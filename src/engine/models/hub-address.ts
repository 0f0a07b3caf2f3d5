import { ValidationError } from "../../core/errors.ts";

/** Where a model lies on a hub: a server that lists a repository's files and serves them by revision. */
export interface HubAddress {
  /** Scheme and host, with a path in front of the repository if the hub has one. */
  readonly origin: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly revision: string;
  /** A folder inside the repository; empty for all of it. */
  readonly folder: string;
}

const DEFAULT_REVISION = "main";
const PART = /^[\w.-]{1,100}$/;

/**
 * Reads `https://hub.example/owner/name`, with `/tree/revision` and a folder behind it where the model is not at the top.
 *
 * @throws {ValidationError} `invalid_argument` saying what an address looks like
 */
export function parseHubAddress(text: string): HubAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const parts = url?.pathname.split("/").filter((part) => part !== "") ?? [];
  const [owner = "", name = "", tree, revision = DEFAULT_REVISION, ...folder] = parts;
  const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
  const isWhole = [owner, name, revision, ...folder].every((part) => PART.test(part) && !/^\.+$/.test(part));
  if (url === undefined || !isWeb || !isWhole || (tree !== undefined && tree !== "tree") || url.username !== "") {
    const message = `"${text.slice(0, 100)}" is not the address of a model; it looks like https://hub.example/owner/name or https://hub.example/owner/name/tree/main/folder`;
    throw new ValidationError("invalid_argument", message, { publicMessage: message });
  }
  return { origin: url.origin, repository: `${owner}/${name}`, revision, folder: folder.join("/") };
}

/** The list of all files of the revision below the folder. */
export function toListUrl({ origin, repository, revision, folder }: HubAddress): string {
  const path = folder === "" ? "" : `/${folder}`;
  return `${origin}/api/models/${repository}/tree/${revision}${path}?recursive=true`;
}

/** The content of a file. */
export function toFileUrl({ origin, repository, revision }: HubAddress, path: string): string {
  return `${origin}/${repository}/resolve/${revision}/${path.split("/").map(encodeURIComponent).join("/")}`;
}
