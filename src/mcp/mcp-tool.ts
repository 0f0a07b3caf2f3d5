import type { McpServer } from "@modelcontextprotocol/server";

/** Who is connected, and how. */
export interface McpConnection {
  /** `legacy`: the handshake revisions up to 2025-11-25; `modern`: 2026-07-28. */
  readonly era: "legacy" | "modern";
  /** Whose turn in the queue a call takes: a session, an address, or `stdio`. */
  readonly clientId: string;
}

/** Makes a fresh server for one connection, session or request. Must not do any I/O. */
export type McpServerBuilder = (connection: McpConnection) => McpServer;

/** What adds itself to every server: a tool, resources or prompts. */
export interface McpFeature {
  /** Names of tools that may take longer than a client waits in silence; they answer over a stream. */
  readonly slowTools?: readonly string[];
  register(server: McpServer, connection: McpConnection): void;
}
