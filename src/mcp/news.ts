import { SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server";
import type { Caller } from "../access/principal.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";

/** One piece of news, as a notification that does not say yet of which subscription. */
export interface NewsItem {
  readonly method: string;
  readonly params: object;
}

/** What a client sends, as far as anybody looks at it here. */
export interface SentMessage {
  readonly method?: unknown;
  readonly params?: unknown;
}

/** News that a client asks for with `subscriptions/listen` and that the SDK knows nothing of. */
export interface News {
  /** The part of what was asked for that will be told, as the acknowledgement says it. Never rejects. */
  agree(signal: AbortSignal): Promise<JsonObject>;
  /** Tells what was agreed to until the signal aborts or nothing more can happen; never rejects. */
  tell(send: (item: NewsItem) => void | Promise<void>, signal: AbortSignal): Promise<void>;
}

/** What a message of the newer era asks for. @throws {ProtocolError} when it must be refused */
export type NewsSource = (message: SentMessage, caller: Caller) => News | undefined;

/** The first that one of the sources knows. @throws {ProtocolError} when the message must be refused */
export function findNews(sources: readonly NewsSource[], message: SentMessage, caller: Caller): News | undefined {
  for (const source of sources) {
    const news = source(message, caller);
    if (news !== undefined) return news;
  }
  return undefined;
}

/** The item as one of the subscription that the request with this id began. */
export function toNotification({ method, params }: NewsItem, subscriptionId: string | number) {
  return {
    jsonrpc: "2.0" as const,
    method,
    params: { ...params, _meta: { [SUBSCRIPTION_ID_META_KEY]: subscriptionId } },
  };
}

/** The parameters of an acknowledgement with what else was agreed to. */
export function addAgreed(params: unknown, agreed: JsonObject): { readonly notifications: JsonObject } {
  const known = isJsonObject(params) ? params : {};
  const notifications = isJsonObject(known["notifications"]) ? known["notifications"] : {};
  return { ...known, notifications: { ...notifications, ...agreed } };
}
