/**
 * @typedef {{ content?: { type: string, text?: string, data?: string, mimeType?: string }[], isError?: boolean,
 *   structuredContent?: any }} ToolResult
 * @typedef {{ theme?: string }} HostContext
 */

const PROTOCOL_VERSION = "2026-01-26";

let lastId = 0;
/** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
const waiting = new Map();
/** @type {Map<string, (params: any) => void>} */
const listeners = new Map();

/** @param {object} message */
function post(message) {
  window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

/** Asks the host. @param {string} method @param {object} params @returns {Promise<any>} */
export function ask(method, params) {
  const id = ++lastId;
  post({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

/** Tells the host. @param {string} method @param {object} [params] */
export function tell(method, params = {}) {
  post({ method, params });
}

/** Calls the listener for each notification of this method. @param {string} method @param {(params: any) => void} listener */
export function listen(method, listener) {
  listeners.set(method, listener);
}

/** Calls a tool of the server; an error of the tool is thrown with its words. @param {string} name @param {object} given @returns {Promise<ToolResult>} */
export async function callTool(name, given) {
  /** @type {ToolResult} */
  const result = await ask("tools/call", { name, arguments: given });
  if (result.isError === true) throw new Error(toMessage(result));
  return result;
}

/** @param {ToolResult} result */
function toMessage({ content = [] }) {
  const text = content.find((block) => block.type === "text")?.text ?? "That did not work";
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    return text;
  }
}

/** Begins the conversation with the host. @returns {Promise<{ hostContext?: HostContext, hostCapabilities?: { serverTools?: object, openLinks?: object } }>} */
export async function connect() {
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || data?.jsonrpc !== "2.0") return;
    if (typeof data.method === "string") {
      listeners.get(data.method)?.(data.params ?? {});
      // Whatever a host asks for, such as the end of the view, is granted at once.
      if (data.id !== undefined) post({ id: data.id, result: {} });
      return;
    }
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) call?.resolve(data.result);
    else call?.reject(new Error(data.error.message ?? "The host refused"));
  });
  const host = await ask("ui/initialize", {
    protocolVersion: PROTOCOL_VERSION,
    appInfo: { name: "mcp-image-server", version: "1" },
    appCapabilities: {},
  });
  tell("ui/notifications/initialized");
  new ResizeObserver(() => {
    const { width, height } = document.documentElement.getBoundingClientRect();
    tell("ui/notifications/size-changed", { width: Math.ceil(width), height: Math.ceil(height) });
  }).observe(document.documentElement);
  return host;
}
