import type { McpServer } from "@modelcontextprotocol/server";
import type { Caller } from "../access/principal.ts";
import type { Scope } from "../core/scope.ts";
import type * as z from "zod";
import type { NewsSource } from "./news.ts";

/** Who is connected, and how. */
export interface McpConnection {
  /** `legacy`: the handshake revisions up to 2025-11-25; `modern`: 2026-07-28. */
  readonly era: "legacy" | "modern";
  /** False for a server that ends with the request that it was made for. */
  readonly isLasting: boolean;
  /** The tool that the one request of such a server calls: the others need not be there. */
  readonly tool?: string | undefined;
  /** Whose turn in the queue a call takes: a session, an address, or `stdio`. */
  readonly clientId: string;
  /** Who sent this very message: what a session may do can change with the token of each request. */
  caller(context: McpContext): Caller;
  /** Whether they may delete and keep pictures; while nobody has to say who they are, only somebody on this machine. */
  mayManage(context: McpContext): boolean;
}

/** What a handler of the SDK is given, as far as it tells who calls. */
export interface McpContext {
  readonly http?: { readonly req?: Request } | undefined;
}

/** Makes a fresh server for one connection, session or request. Must not do any I/O. */
export type McpServerBuilder = (connection: McpConnection) => McpServer;

/** What people read of a tool. */
export interface ToolFacts {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly parameters: z.ZodObject;
}

/** What adds itself to every server: a tool, resources or prompts. */
export interface McpFeature {
  /** Names of tools that may take longer than a client waits in silence; they answer over a stream. */
  readonly slowTools?: readonly string[];
  /** What a caller needs for a tool, by its name; a call without it is answered with a challenge for a better token. */
  readonly toolScopes?: Readonly<Record<string, Scope>>;
  /** For documents; `undefined` for what is no tool. */
  readonly tool?: ToolFacts;
  /** News beside those that the SDK knows. */
  readonly news?: NewsSource;
  register(server: McpServer, connection: McpConnection): void;
}
