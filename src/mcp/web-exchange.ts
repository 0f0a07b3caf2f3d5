import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";

/** The SDK reads the headers alone; the real host stays out of it. */
const ANY_URL = "http://mcp.invalid/mcp";
/** How long the head of an event stream waits for the first event. */
const HEAD_DELAY_MS = 50;

/** The request as the SDK takes it. Its body stays unread: the parsed one is passed beside it. */
export function toWebRequest(req: IncomingMessage, signal: AbortSignal): Request {
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(req.headers)) {
    if (typeof value === "string") headers.push([name, value]);
    else for (const one of value ?? []) headers.push([name, one]);
  }
  const request = new Request(ANY_URL, { method: req.method ?? "GET", headers });
  // Given to the constructor, the signal is followed by another one through a finalization registry, which costs four
  // times as much as the rest of the request.
  return Object.defineProperty(request, "signal", { value: signal });
}

/**
 * Writes the answer of the SDK; resolves when all of it was handed to the socket, or the client has gone.
 * The head of an event stream does not wait for its first event: some clients give up when no header comes.
 *
 * @param observe sees the body before it is sent: all of it, or a stream event by event
 */
export async function sendWebResponse(
  response: Response,
  res: ServerResponse,
  gone: AbortSignal,
  observe?: (bytes: Uint8Array) => void,
): Promise<void> {
  const headers = Object.fromEntries(response.headers);
  if (response.body === null) {
    res.writeHead(response.status, headers).end();
    return;
  }
  if (!headers["content-type"]?.startsWith("text/event-stream")) {
    const body = Buffer.from(await response.arrayBuffer());
    observe?.(body);
    res.writeHead(response.status, { ...headers, "content-length": body.length }).end(body);
    return;
  }
  res.writeHead(response.status, headers);
  // Not at once: an answer that comes soon goes out with its head in one packet.
  const flush = setTimeout(() => res.flushHeaders(), HEAD_DELAY_MS);
  await sendStream(response.body, res, gone, observe);
  clearTimeout(flush);
  res.end();
}

async function sendStream(
  body: ReadableStream<Uint8Array>,
  res: ServerResponse,
  gone: AbortSignal,
  observe: ((bytes: Uint8Array) => void) | undefined,
): Promise<void> {
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => undefined);
  gone.addEventListener("abort", cancel, { once: true });
  if (gone.aborted) cancel();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.aborted) return;
      observe?.(value);
      if (!res.write(value)) await once(res, "drain", { signal: gone });
    }
  } catch {
    // The stream broke or the client went: there is nobody left to tell.
  } finally {
    gone.removeEventListener("abort", cancel);
  }
}
