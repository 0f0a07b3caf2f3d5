import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { KServeError } from "../../src/core/errors.ts";
import { createImageId } from "../../src/core/image-id.ts";
import { SteppedGenerator } from "../../src/testing/image-service-bench.ts";
import { MockStorage } from "../../src/testing/mock-storage.ts";
import { startServer, type TestServer, type TestServerOptions } from "../http-support.ts";
import { findBarriers, launchBrowser, openPage, storePictures, type StoredPicture } from "./support.ts";

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(async () => browser.close());

const HOSTILE = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>' onload='x`;

async function startGallery(
  pictures: readonly StoredPicture[],
  options: TestServerOptions = {},
): Promise<
  TestServer & { storage: MockStorage; ids: string[]; url: string; keep: (imageId: string) => Promise<void> }
> {
  const storage = new MockStorage();
  const server = await startServer({ storage, ttlSeconds: undefined, ...options });
  const ids = await storePictures(storage, pictures);
  const keep = async (imageId: string): Promise<void> => assert.equal(await storage.keepImage(imageId, true), true);
  return Object.assign(server, { storage, ids, keep, url: `http://127.0.0.1:${server.port}` });
}

const many = (count: number): StoredPicture[] =>
  Array.from({ length: count }, (_, index) => ({
    width: [64, 96, 128][index % 3] ?? 64,
    height: [96, 64, 128][index % 3] ?? 64,
  }));

test("the gallery shows the newest pictures first and loads older ones while a reader scrolls", async () => {
  await using server = await startGallery(many(130));
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(server.url);
  const tiles = page.locator("#pictures > li");
  assert.equal(await tiles.first().getAttribute("data-id"), server.ids.at(-1));
  for (let turn = 0; turn < 20 && (await tiles.count()) < 130; turn++) {
    await page.mouse.wheel(0, 4_000);
    await page.waitForTimeout(100);
  }
  const shown = await tiles.evaluateAll((elements) => elements.map((element) => element.getAttribute("data-id")));
  assert.deepEqual(shown, server.ids.toReversed());
  assert.equal(await page.locator("#more a").count(), 0);
  assert.deepEqual(faults, []);
});

test("the gallery works without scripts: every page leads to the next", async () => {
  await using server = await startGallery(many(60));
  await using watched = await openPage(browser, { javaScriptEnabled: false });
  const { page } = watched;
  await page.goto(server.url);
  assert.equal(await page.locator("#pictures > li").count(), 48);
  await page.click("#more a");
  await page.waitForURL(/cursor=/);
  assert.equal(await page.locator("#pictures > li").count(), 12);
  await page.locator("#pictures a").first().click();
  assert.equal(await page.locator("h1").innerText(), "picture 11");
});

test("hostile prompts and metadata are text on every page", async () => {
  const metadata = {
    prompt: HOSTILE,
    negative_prompt: HOSTILE,
    model_name: HOSTILE,
    warnings: [HOSTILE],
    seed: HOSTILE,
    width: HOSTILE,
    [HOSTILE]: HOSTILE,
  };
  await using server = await startGallery([{ metadata }, {}]);
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(server.url);
  assert.equal(await page.locator("#pictures img").nth(1).getAttribute("alt"), HOSTILE);
  assert.equal(await page.locator("#pictures img").count(), 2);
  await page.locator("#pictures a").nth(1).click();
  await page.waitForURL(/\/gallery\/img_/);
  assert.equal((await page.locator("h1").textContent())?.trim(), HOSTILE);
  assert.equal(await page.locator("main img").count(), 1);
  assert.equal(await page.locator("body script").count(), 0);
  assert.match(await page.title(), /^"><img src=x/);
  assert.match((await page.locator("pre").textContent()) ?? "", /onerror/);
  assert.deepEqual(faults, []);
});

test("the page of a picture tells everything, copies, and leads to its neighbours by keys", async () => {
  await using server = await startGallery(many(3));
  await using watched = await openPage(browser, { permissions: ["clipboard-read", "clipboard-write"] });
  const { page, faults } = watched;
  await page.goto(server.url);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${server.url}/gallery/${server.ids[1]}`);
  const facts = await page.locator("dl").innerText();
  for (const fact of ["96 × 64", "Seed", "Steps", "20", "7.5", "test-model", "1.3 s", "PNG"]) {
    assert.ok(facts.includes(fact), fact);
  }
  await page.keyboard.press("c");
  await page.locator(".toast.shown").waitFor();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), "picture 1");
  await page.keyboard.press("u");
  await page.locator("#toast", { hasText: /^URL copied$/ }).waitFor({ state: "attached" });
  assert.match(String(await page.evaluate("navigator.clipboard.readText()")), /\/images\/img_/);
  await page.keyboard.press("ArrowRight");
  await page.waitForURL(`${server.url}/gallery/${server.ids[0]}`);
  assert.equal(await page.locator("#older").isVisible(), false);
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(`${server.url}/gallery/${server.ids[1]}`);
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(`${server.url}/gallery/${server.ids[2]}`);
  await page.keyboard.press("Escape");
  await page.waitForURL(`${server.url}/`);
  assert.deepEqual(faults, []);
});

test("a picture is downloaded byte for byte", async () => {
  await using server = await startGallery(many(1));
  await using watched = await openPage(browser);
  const { page } = watched;
  await page.goto(`${server.url}/gallery/${server.ids[0]}`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("d")]);
  assert.equal(download.suggestedFilename(), `${server.ids[0]}.png`);
  assert.deepEqual(await readFile(await download.path()), (await server.get(`/images/${server.ids[0]}`)).body);
});

test("a visitor of this machine deletes a picture after a question; Escape keeps it", async () => {
  await using server = await startGallery(many(2));
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(`${server.url}/gallery/${server.ids[0]}`);
  await page.keyboard.press("Delete");
  await page.locator("dialog[open]").waitFor();
  assert.deepEqual(await findBarriers(page), []);
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" }); // until then keys are the dialog's
  assert.equal((await server.get(`/images/${server.ids[0]}`)).status, 200);
  await page.keyboard.press("Delete");
  await page.locator("dialog[open]").getByRole("button", { name: "Delete", exact: true }).click();
  await page.waitForURL(`${server.url}/`);
  assert.equal((await server.get(`/images/${server.ids[0]}`)).status, 404);
  assert.equal(await page.locator("#pictures > li").count(), 1);
  assert.deepEqual(faults, []);
});

test("a picture that is asked for shows its progress, and then itself in front of the others", async () => {
  const generator = new SteppedGenerator();
  const gate = Promise.withResolvers<void>();
  generator.gate = gate.promise;
  await using server = await startGallery(many(2), { generator });
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(server.url);
  await page.keyboard.press("n");
  await page.keyboard.type(HOSTILE);
  await page.getByText("Options").click();
  await page.getByLabel("Size").selectOption("768x512");
  await page.getByLabel("Seed").fill("42");
  await page.getByRole("button", { name: "Generate" }).click();
  await page.locator(".job").waitFor();
  assert.equal(await page.locator(".job .caption-prompt").textContent(), HOSTILE);
  await page.getByText("Drawing", { exact: true }).waitFor();
  assert.deepEqual(await findBarriers(page), []);
  gate.resolve();
  await page.locator(".tile.fresh").waitFor();
  await page.locator(".job").first().waitFor({ state: "detached" });
  assert.equal(await page.locator("#pictures > li").count(), 3);
  assert.equal(await page.locator("#pictures img").first().getAttribute("alt"), HOSTILE);
  const [request] = generator.requests;
  assert.deepEqual(request, { prompt: HOSTILE, width: 768, height: 512, seed: 42 });
  assert.deepEqual(faults, []);
});

test("what the server refuses is said at the form, and a job that fails at its place", async () => {
  const generator = new SteppedGenerator();
  generator.failure = new KServeError("out_of_memory", "CUDA");
  await using server = await startGallery([], { generator });
  await using watched = await openPage(browser);
  const { page } = watched;
  await page.goto(server.url);
  await page.locator("#prompt").fill("\u200b");
  await page.locator("#prompt").press("Enter");
  await page.getByText(/prompt must be text of 1 to 10000 characters/).waitFor();
  await page.locator("#prompt").fill("a cat");
  await page.locator("#prompt").press("Enter");
  await page.locator(".job.failed").getByText("The model server ran out of memory").waitFor();
});

test("variations are asked for on the page of a picture and appear in the gallery", async () => {
  const generator = new SteppedGenerator();
  await using server = await startGallery(many(1), { generator });
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(`${server.url}/gallery/${server.ids[0]}`);
  await page.keyboard.press("v");
  assert.deepEqual(await findBarriers(page), []);
  await page.getByLabel("Prompt").fill("another thing");
  await page.getByLabel("How many").selectOption("3");
  await page.getByRole("button", { name: "Draw", exact: true }).click();
  await page.waitForURL(`${server.url}/`);
  await waitForCount(page, "#pictures > [data-id]", 4);
  assert.deepEqual(
    generator.requests.map(({ prompt }) => prompt),
    ["another thing", "another thing", "another thing"],
  );
  assert.deepEqual(faults, []);
});

test("a picture that is made before the page hears of jobs appears all the same", async () => {
  await using server = await startGallery(many(1));
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  const isMade = Promise.withResolvers<void>();
  await page.route("**/jobs/events", async (route) => {
    await isMade.promise;
    await route.continue();
  });
  await page.goto(server.url);
  const [imageId] = await storePictures(server.storage, many(1));
  isMade.resolve();
  await page.locator(`#pictures > [data-id="${imageId}"]`).waitFor();
  assert.deepEqual(faults, []);
});

test("the search finds pictures by words of their prompts, and says when there are none", async () => {
  await using server = await startGallery([{ metadata: { prompt: "a red cat" } }, { metadata: { prompt: "a dog" } }]);
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(server.url);
  await page.keyboard.press("/");
  await page.keyboard.type("CAT red");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\?q=CAT/);
  assert.equal(await page.locator("#pictures > li").count(), 1);
  await page.locator("#search").fill(HOSTILE.slice(0, 150));
  await page.locator("#search").press("Enter");
  await page.getByText("Nothing found").waitFor();
  assert.equal(await page.locator("#search").inputValue(), HOSTILE.slice(0, 150));
  await page.getByText("Show all").click();
  assert.equal(await page.locator("#pictures > li").count(), 2);
  assert.deepEqual(faults, []);
});

test("a visitor through a proxy sees nothing that draws or deletes", async () => {
  await using server = await startGallery(many(1));
  await using watched = await openPage(browser, { extraHTTPHeaders: { "X-Forwarded-For": "192.0.2.1" } });
  const { page } = watched;
  await page.goto(`${server.url}/gallery/${server.ids[0]}`);
  assert.equal(await page.locator("#download").isVisible(), true);
  assert.equal(await page.locator("#keep, #delete, #vary, dialog").count(), 0);
  await page.goto(server.url);
  assert.equal(await page.locator("#composer").count(), 0);
});

test("the filters show pictures of one shape, kept ones, those of one model and recent ones, and say when there are none", async () => {
  const old = createImageId(Date.now() - 3 * 24 * 60 * 60 * 1000);
  await using server = await startGallery([
    { width: 96, height: 64, metadata: { model_name: "one" } },
    { width: 64, height: 64, metadata: { model_name: "another" } },
    { width: 64, height: 64, metadata: { model_name: "one" }, imageId: old },
  ]);
  await server.keep(old);
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(server.url);
  const shown = page.locator("#pictures > li:visible");
  const none = page.getByText("No picture here is like that");
  await page.getByLabel("Wide", { exact: true }).check();
  assert.equal(await shown.count(), 1);
  await page.getByLabel("Tall", { exact: true }).check();
  await none.waitFor();
  await page.getByLabel("All", { exact: true }).check();
  assert.equal(await shown.count(), 3);
  await page.getByLabel("Model", { exact: true }).selectOption("one");
  assert.equal(await shown.count(), 2);
  await page.getByLabel("Made").selectOption("Last 24 hours");
  assert.equal(await shown.count(), 1);
  await page.getByLabel("Made").selectOption("Any time");
  await page.getByLabel("Model", { exact: true }).selectOption("Any model");
  await page.locator("#pictures a").first().focus();
  await page.keyboard.press("k");
  assert.equal(await page.getByLabel("Kept").isChecked(), true);
  assert.deepEqual(await shown.evaluateAll((tiles) => tiles.map((tile) => tile.getAttribute("data-id"))), [old]);
  assert.deepEqual(await findBarriers(page), []);
  await page.getByLabel("Made").selectOption("Last 24 hours");
  await none.waitFor();
  assert.deepEqual(faults, []);
});

test("a filter fetches older pictures until some fit, and not those that are too old to", async () => {
  await using server = await startGallery(many(130));
  await using watched = await openPage(browser);
  const { page } = watched;
  await page.goto(server.url);
  await page.getByLabel("Kept").check();
  await page.getByText("No picture here is like that").waitFor();
  assert.equal(await page.locator("#more a").count(), 0);
  await server.keep(server.ids[0] ?? "");
  await page.reload();
  await page.getByLabel("Kept").check();
  await page.locator(`#pictures > [data-id="${server.ids[0]}"]:visible`).waitFor();
});

test("a picture is kept from expiring and released again, by a button or its key", async () => {
  await using server = await startGallery(many(1), { ttlSeconds: 3600 });
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(`${server.url}/gallery/${server.ids[0]}`);
  const keep = page.getByRole("button", { name: "Keep", exact: true });
  await page.locator("#until time").waitFor();
  await keep.click();
  await page.locator("#until", { hasText: "it is deleted" }).waitFor();
  assert.equal(await keep.getAttribute("aria-pressed"), "true");
  assert.deepEqual(await findBarriers(page), []);
  await page.reload();
  assert.equal(await keep.getAttribute("aria-pressed"), "true");
  await page.keyboard.press("k");
  await page.locator("#until time").waitFor();
  assert.equal(await keep.getAttribute("aria-pressed"), "false");
  assert.deepEqual(faults, []);
});

test("a job is cancelled at its place, and gone from the server", async () => {
  const generator = new SteppedGenerator();
  const gate = Promise.withResolvers<void>();
  generator.gate = gate.promise;
  await using server = await startGallery(many(1), { generator });
  await using watched = await openPage(browser);
  const { page, faults } = watched;
  await page.goto(server.url);
  await page.locator("#prompt").fill("a cat");
  await page.locator("#prompt").press("Enter");
  await page.getByRole("button", { name: "Cancel a cat" }).click();
  await page.locator(".job").waitFor({ state: "detached" });
  assert.deepEqual(JSON.parse((await server.get("/jobs")).body.toString()), []);
  gate.resolve();
  assert.equal(await page.locator("#pictures > [data-id]").count(), 1);
  assert.deepEqual(faults, []);
});

test("a page that cannot be loaded can be asked for again", async () => {
  await using server = await startGallery(many(60));
  await using watched = await openPage(browser);
  const { page } = watched;
  await page.route("**/?cursor=*", async (route) => route.abort(), { times: 1 });
  await page.goto(server.url);
  await page.mouse.wheel(0, 9_000);
  await page.getByRole("button", { name: /Try again/ }).click();
  await waitForCount(page, "#pictures > li", 60);
});

test("no page has a barrier that axe finds, light on a phone and dark on a desk", async () => {
  await using server = await startGallery(many(5));
  await using empty = await startGallery([]);
  for (const [colorScheme, viewport] of [
    ["light", { width: 390, height: 844 }],
    ["dark", { width: 1280, height: 800 }],
  ] as const) {
    await using watched = await openPage(browser, { colorScheme, viewport });
    const { page } = watched;
    for (const path of [
      server.url,
      `${server.url}/gallery/${server.ids[0]}`,
      `${server.url}/gallery/img_nothing`,
      empty.url,
    ]) {
      await page.goto(path);
      assert.deepEqual(await findBarriers(page), [], `${path} ${colorScheme}`);
      const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      assert.equal(overflow, 0, `${path} is wider than ${viewport.width}`);
    }
  }
});

/** Not by a function in the page, which its policy may refuse to compile. */
async function waitForCount(page: Page, selector: string, count: number): Promise<void> {
  await page
    .locator(selector)
    .nth(count - 1)
    .waitFor({ state: "attached" });
  assert.equal(await page.locator(selector).count(), count);
}
