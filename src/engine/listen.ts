import { chmod, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { connect } from "node:net";
import { ConfigurationError, isErrno } from "../core/errors.ts";
import { createPrivateSocket } from "./socket-address.ts";

/** Where to listen. */
export type EngineListenOptions =
  /** Port 0 takes a free one. */
  | { readonly host: string; readonly port: number }
  /** A Unix socket, or a Windows pipe, that only this user may open. */
  | { readonly socketPath: string };

export type ListeningAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface Listening {
  readonly address: ListeningAddress;
  /** Removes what is left of the address once the server is closed. */
  readonly release: () => Promise<void>;
}

/**
 * Listens on TCP, on a socket of the caller's, or on a fresh private one. A socket that a dead server left behind is
 * replaced.
 *
 * @throws {ConfigurationError} `configuration_invalid` when the address cannot be listened on
 */
export async function listenOn(server: Server, options: EngineListenOptions | undefined): Promise<Listening> {
  if (options === undefined) {
    const socket = await createPrivateSocket();
    await listening(server, { path: socket.path });
    return { address: { socketPath: socket.path }, release: async () => socket[Symbol.asyncDispose]() };
  }
  const where = "port" in options ? `${options.host}:${options.port}` : options.socketPath;
  try {
    if ("port" in options) {
      await listening(server, options);
      const bound = server.address();
      const port = typeof bound === "object" && bound ? bound.port : options.port;
      return { address: { host: options.host, port }, release: async () => undefined };
    }
    await listenOnSocket(server, options.socketPath);
    return { address: options, release: async () => undefined };
  } catch (error) {
    const reason = isErrno(error, "EADDRINUSE") ? ": somebody listens there already" : "";
    throw new ConfigurationError("configuration_invalid", `Cannot listen on ${where}${reason}`, { cause: error });
  }
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
  try {
    await listening(server, { path });
  } catch (error) {
    if (!isErrno(error, "EADDRINUSE") || process.platform === "win32" || (await isAnswered(path))) throw error;
    await rm(path);
    await listening(server, { path });
  }
  if (process.platform !== "win32") await chmod(path, 0o600);
}

async function isAnswered(path: string): Promise<boolean> {
  const outcome = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once("connect", () => outcome.resolve(true));
  socket.once("error", (error) => outcome.resolve(!isErrno(error, "ECONNREFUSED")));
  try {
    return await outcome.promise;
  } finally {
    socket.destroy();
  }
}

async function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  const outcome = Promise.withResolvers<void>();
  server.once("error", outcome.reject);
  server.once("listening", outcome.resolve);
  server.listen(where);
  try {
    await outcome.promise;
  } finally {
    server.removeListener("error", outcome.reject);
    server.removeListener("listening", outcome.resolve);
  }
}
