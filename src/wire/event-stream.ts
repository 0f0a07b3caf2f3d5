import type { JsonValue } from "../core/json.ts";
import { parseJson } from "./parse-json.ts";

/** One event of a stream, its data as JSON. */
export interface StreamEvent {
  /** The name of the event, or the `type` that its data states; empty when neither does. */
  readonly type: string;
  readonly document: JsonValue;
}

const MAX_EVENTS = 1000;

/** Whether a body is an event stream, by its type or, for servers that state none, by its beginning. */
export function isEventStream(text: string, contentType: string | undefined): boolean {
  return contentType?.toLowerCase().startsWith("text/event-stream") || /^(?:data|event|id|retry)?:/.test(text);
}

/**
 * The events whose data is JSON, at most 1,000; `[DONE]` and comments are left out.
 * Format: WHATWG HTML, section 9.2.
 */
export function parseEventStream(text: string): StreamEvent[] {
  const events: StreamEvent[] = [];
  for (const block of text.replace(/\r\n?/g, "\n").split("\n\n", MAX_EVENTS)) {
    let name = "";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const { field, value } = /^(?<field>[a-z]+): ?(?<value>.*)$/s.exec(line)?.groups ?? {};
      if (field === "event") name = value ?? "";
      if (field === "data") data.push(value ?? "");
    }
    const document = parseJson(data.join("\n"));
    if (document !== undefined) events.push({ type: readType(document) ?? name, document });
  }
  return events;
}

function readType(document: JsonValue): string | undefined {
  const type = typeof document === "object" && document !== null && "type" in document ? document["type"] : undefined;
  return typeof type === "string" ? type : undefined;
}
