import { isJsonObject, type JsonObject } from "../core/json.ts";
import { addAgreed, toNotification, type News } from "./news.ts";

export interface ListenStreamOptions {
  readonly news: News;
  /** The request, whose id is that of the subscription. */
  readonly message: JsonObject;
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  /** Answers the request as the SDK does, with the news that it knows. */
  readonly serve: (message: JsonObject) => Promise<Response>;
}

/** A resource that nothing happens to: the SDK ends a subscription at once that asks for nothing that it knows. */
const KEPT_OPEN = "news:open";
/** A client that lets more than these wait is cut off; when it comes again, it hears how things are then. */
const MAX_WAITING = 1000;
const DATA = "data: ";

/** The answer to `subscriptions/listen` over HTTP, with news beside those of the SDK in its stream. */
export async function listenWithNews({ news, message, gone, serve }: ListenStreamOptions): Promise<Response> {
  const agreed = await news.agree(gone);
  const response = await serve(Object.keys(agreed).length === 0 ? message : keepOpen(message));
  const { id } = message;
  const isStream = response.headers.get("content-type") === "text/event-stream";
  if (response.body === null || !isStream || (typeof id !== "string" && typeof id !== "number")) return response;
  const ended = new AbortController();
  const signal = AbortSignal.any([gone, ended.signal]);
  let isAcknowledged = false;
  const stream = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      if (isAcknowledged) {
        controller.enqueue(chunk);
        return;
      }
      isAcknowledged = true;
      controller.enqueue(toEvent(toAcknowledgement(chunk, agreed)));
      const send = (document: unknown): void => {
        if (signal.aborted) return;
        if ((controller.desiredSize ?? 0) > -MAX_WAITING) controller.enqueue(toEvent(document));
        else {
          ended.abort();
          controller.error(new Error("The client does not read its news"));
        }
      };
      void news.tell((item) => send(toNotification(item, id)), signal);
    },
    flush: () => ended.abort(),
  });
  return new Response(response.body.pipeThrough(stream), { status: response.status, headers: response.headers });
}

function keepOpen(message: JsonObject): JsonObject {
  const { params } = message;
  const notifications = isJsonObject(params) ? params["notifications"] : undefined;
  if (!isJsonObject(params) || !isJsonObject(notifications)) return message;
  const { resourceSubscriptions: uris = [] } = notifications;
  // What has not its form is refused by the SDK.
  if (!Array.isArray(uris)) return message;
  return {
    ...message,
    params: { ...params, notifications: { ...notifications, resourceSubscriptions: [...uris, KEPT_OPEN] } },
  };
}

/** The first event of the SDK's stream as its client is to see it. */
function toAcknowledgement(event: Uint8Array, agreed: JsonObject): JsonObject {
  const text = new TextDecoder().decode(event);
  const document: unknown = JSON.parse(text.slice(text.indexOf(DATA) + DATA.length));
  if (!isJsonObject(document)) throw new TypeError("The SDK's stream does not begin with an acknowledgement");
  const params = addAgreed(document["params"], agreed);
  return { ...document, params: { ...params, notifications: withoutKeptOpen(params.notifications) } };
}

function withoutKeptOpen({ resourceSubscriptions: uris, ...rest }: JsonObject): JsonObject {
  const own = Array.isArray(uris) ? uris.filter((uri) => uri !== KEPT_OPEN) : [];
  return own.length === 0 ? rest : { ...rest, resourceSubscriptions: own };
}

function toEvent(document: unknown): Uint8Array {
  return new TextEncoder().encode(`event: message\n${DATA}${JSON.stringify(document)}\n\n`);
}
