import type { Client } from "@modelcontextprotocol/client";
import type { Page } from "playwright-core";

/** The policy that MCP Apps give a view which declares no domains. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'none'",
].join("; ");

/** Runs in the host's page: the least that a host of MCP Apps does. */
const HOST_SCRIPT = `
  const frame = document.querySelector("iframe");
  window.received = [];
  const send = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
  window.sendToView = send;
  addEventListener("message", async ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    window.received.push(data.method ?? "answer");
    if (data.method === "ui/initialize") {
      send({ id: data.id, result: {
        protocolVersion: "2026-01-26",
        hostInfo: { name: "test-host", version: "1" },
        hostCapabilities: window.hostCapabilities,
        hostContext: { theme: "dark" },
      } });
    } else if (data.method === "tools/call") {
      const answer = await window.callServerTool(data.params);
      send({ id: data.id, ...answer });
    } else if (data.id !== undefined) send({ id: data.id, result: {} });
  });
`;

/** Shows a view as a host does: in a sandbox, with the protocol over messages, its calls led to a real client. */
export async function showView(
  page: Page,
  client: Client,
  { html, serverTools = true }: { readonly html: string; readonly serverTools?: boolean },
): Promise<void> {
  await page.exposeFunction("callServerTool", async (params: { name: string; arguments: Record<string, unknown> }) => {
    try {
      return { result: await client.callTool(params) };
    } catch (error) {
      return { error: { code: -32603, message: String(error) } };
    }
  });
  await page.setContent('<iframe sandbox="allow-scripts" width="600" height="700" title="view"></iframe>');
  await page.evaluate(
    `window.hostCapabilities = ${JSON.stringify(serverTools ? { serverTools: {}, openLinks: {} } : {})}`,
  );
  await page.evaluate(HOST_SCRIPT);
  const guarded = html.replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}">`);
  await page.evaluate(`document.querySelector("iframe").srcdoc = ${JSON.stringify(guarded)}`);
  await page.waitForFunction(`window.received.includes("ui/notifications/initialized")`);
}

/** What a host tells a view of the call that it belongs to. */
export async function tellView(page: Page, method: string, params: object): Promise<void> {
  await page.evaluate(`window.sendToView(${JSON.stringify({ method, params })})`);
}
