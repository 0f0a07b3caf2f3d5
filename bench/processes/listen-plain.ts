import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tell } from "./line-server.ts";

/** Listens on a free port of loopback, and tells the URL to the process that started this one. */
export async function listenPlain(serve: (req: IncomingMessage, res: ServerResponse) => Promise<void>): Promise<void> {
  const server = createServer((req, res) => {
    serve(req, res).catch((error: unknown) => {
      console.error(error);
      res.destroy();
    });
  });
  // No side may find its connection closed because another took its turn.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  tell({ url: `http://127.0.0.1:${port}` });
}
