import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

/** What a server answered. */
export interface Reply {
  readonly status: number;
  /** Its clock in milliseconds since 1970, if it told. */
  readonly dateMs: number | undefined;
}

const TIMEOUT_MS = 5000;

/** Asks by GET and reads nothing but the head; `undefined` when there is no answer within 5 s. */
export async function ask(url: string): Promise<Reply | undefined> {
  const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const call = send(url, { agent: false, timeout: TIMEOUT_MS }, (response) => {
    const dateMs = Date.parse(response.headers.date ?? "");
    resolve({ status: response.statusCode ?? 0, dateMs: Number.isNaN(dateMs) ? undefined : dateMs });
    response.destroy();
  });
  call.on("timeout", () => call.destroy());
  call.on("error", () => resolve(undefined));
  call.end();
  return promise;
}
