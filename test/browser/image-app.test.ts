import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { RESOURCE_MIME_TYPE, RESOURCE_URI_META_KEY } from "@modelcontextprotocol/ext-apps";
import type { Browser, FrameLocator, Page } from "playwright-core";
import { createApp, type App } from "../../src/app/create-app.ts";
import type { Generator } from "../../src/app/create-generator.ts";
import { parseSettings } from "../../src/config/load-settings.ts";
import { SteppedGenerator } from "../../src/testing/image-service-bench.ts";
import { MockStorage } from "../../src/testing/mock-storage.ts";
import { showView, tellView } from "./app-host.ts";
import { findBarriers, launchBrowser, openPage, storePictures } from "./support.ts";

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(async () => browser.close());

const HOSTILE = `"><img src=x onerror="document.title='owned'"></script><script>document.title='owned'</script>`;

interface Bench extends AsyncDisposable {
  readonly app: App;
  readonly client: Client;
  readonly storage: MockStorage;
  readonly generator: SteppedGenerator;
}

async function startBench(): Promise<Bench> {
  const storage = new MockStorage();
  const steps = new SteppedGenerator();
  const generator: Generator = {
    images: steps,
    modelName: () => "test-model",
    warmUp: async () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const settings = parseSettings({ KSERVE_ENDPOINT: "embedded", HOST: "127.0.0.1", PORT: "0" });
  const app = createApp(settings, { version: "1", overrides: { storage, generator } });
  const client = new Client({ name: "host", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${await app.listen()}/mcp`)));
  const close = async (): Promise<void> => {
    await client.close();
    await app.close();
  };
  return { app, client, storage, generator: steps, [Symbol.asyncDispose]: close };
}

async function readView(client: Client, tool: string): Promise<string> {
  const { tools } = await client.listTools();
  const uri = tools.find(({ name }) => name === tool)?._meta?.[RESOURCE_URI_META_KEY];
  assert.equal(typeof uri, "string");
  const { contents } = await client.readResource({ uri: String(uri) });
  const [content] = contents;
  assert.ok(content !== undefined && "text" in content);
  assert.equal(content.mimeType, RESOURCE_MIME_TYPE);
  return content.text;
}

const viewOf = (page: Page): FrameLocator => page.frameLocator("iframe");

test("the view of a generated picture shows its pixels, copies, varies, searches and deletes", async () => {
  await using bench = await startBench();
  const { client, storage } = bench;
  await storePictures(storage, [{ metadata: { prompt: "an old boat" } }]);
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await showView(page, client, { html: await readView(client, "generate_image") });
  const view = viewOf(page);

  const given = { prompt: HOSTILE, seed: 7 };
  await tellView(page, "ui/notifications/tool-input", { arguments: given });
  await view.getByText("Drawing “").waitFor();
  const result = await client.callTool({ name: "generate_image", arguments: given });
  await tellView(page, "ui/notifications/tool-result", result);
  await view.locator(".stage img").waitFor();
  assert.match((await view.locator(".stage img").getAttribute("src")) ?? "", /^data:image\/\w+;base64,/);
  assert.equal(await view.locator("h1").textContent(), HOSTILE);
  assert.match(await view.locator(".facts").innerText(), /seed 7/);
  assert.equal(await view.locator("html").getAttribute("data-theme"), "dark");
  await view.getByRole("button", { name: "Copy seed" }).click();
  await view.getByText(/Seed copied|does not allow/).waitFor();

  await view.getByRole("button", { name: "Vary" }).click();
  await view.locator(".grid li").nth(3).waitFor();
  assert.equal(bench.generator.requests.length, 5);
  await view.getByRole("button", { name: "Back" }).click();
  await view.getByRole("button", { name: "All pictures" }).click();
  await view.locator(".grid li").nth(5).waitFor();
  await view.locator(".grid img").first().waitFor();
  const frame = page.frames()[1];
  assert.ok(frame);
  assert.deepEqual(await findBarriers(frame), []);

  await view.getByRole("searchbox").fill("boat OLD");
  await view.getByRole("searchbox").press("Enter");
  await page.waitForFunction(`window.received.filter((name) => name === "tools/call").length > 8`);
  await view.getByRole("button", { name: "an old boat" }).click();
  await view.getByRole("button", { name: "Delete" }).click();
  await view.getByRole("button", { name: "Delete for good?" }).click();
  await view.getByText("Deleted").waitFor();
  assert.equal(
    [...storage.metadata.values()].some(({ prompt }) => prompt === "an old boat"),
    false,
  );
  assert.deepEqual(faults, []);
});

test("the view of a list shows pictures page by page, and one of them on a click", async () => {
  await using bench = await startBench();
  const { client, storage } = bench;
  await storePictures(
    storage,
    Array.from({ length: 15 }, () => ({})),
  );
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await showView(page, client, { html: await readView(client, "list_images") });
  const view = viewOf(page);
  await tellView(page, "ui/notifications/tool-result", await client.callTool({ name: "list_images", arguments: {} }));
  await view.locator(".grid li").nth(14).waitFor();
  await view.getByRole("button", { name: "All pictures" }).click();
  await view.getByRole("button", { name: "More" }).click();
  await view.locator(".grid li").nth(14).waitFor();
  await view.locator(".grid button").nth(13).click();
  await view.locator(".stage img").waitFor();
  assert.equal(await view.locator("h1").innerText(), "picture 1");
  await view.getByRole("button", { name: "Back" }).click();
  await view.locator(".grid").waitFor();
  assert.deepEqual(faults, []);
});

test("a host that drops structured content, and lets a view call nothing, still gets the address and the facts", async () => {
  await using bench = await startBench();
  const { client } = bench;
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await showView(page, client, { html: await readView(client, "generate_image"), serverTools: false });
  const result = await client.callTool({ name: "generate_image", arguments: { prompt: "a cat", seed: 7 } });
  await tellView(page, "ui/notifications/tool-result", { content: result.content });
  const view = viewOf(page);
  await view.getByText("a cat").waitFor();
  assert.match(await view.locator("main").innerText(), /\/images\/img_/);
  assert.equal(await view.getByRole("button", { name: /Vary|Delete|All/ }).count(), 0);
  assert.deepEqual(faults, []);
});

test("a failed call is told in the view as it is", async () => {
  await using bench = await startBench();
  const { client } = bench;
  await using watched = await openPage(browser);
  const { page } = watched;
  await showView(page, client, { html: await readView(client, "generate_image") });
  const result = await client.callTool({ name: "generate_image", arguments: { prompt: "a", width: 1 } });
  await tellView(page, "ui/notifications/tool-result", result);
  await viewOf(page)
    .getByText(/width must be/)
    .waitFor();
});
