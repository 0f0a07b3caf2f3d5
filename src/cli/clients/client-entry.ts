/** How a client reaches the server: it starts a process of its own, or calls a URL. */
export type ClientEntry = {
  /** What the client calls the server. */
  readonly name: string;
} & (
  | {
      readonly transport: "stdio";
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    }
  | {
      readonly transport: "http";
      readonly url: string;
      /** The server wants a key; the client takes it from `KEY_VARIABLE` or asks for it. */
      readonly withKey: boolean;
    }
);

/** What a client finds the key of an HTTP server in, where it can read variables. */
export const KEY_VARIABLE = "MCP_IMAGE_SERVER_KEY";

/** Stands where a key belongs in the file of a client that reads no variables. */
export const KEY_PLACEHOLDER = "PUT-THE-KEY-HERE";

export const ENTRY_DESCRIPTION = "Draws pictures from text and gives their URLs";
