import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { createImageId } from "../../src/core/image-id.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { encodePng } from "../../src/core/png.ts";
import { requireDebianPackage } from "../../scripts/debian-packages.ts";
import type { MockStorage } from "../../src/testing/mock-storage.ts";

const CHROMIUM = "/usr/bin/chromium";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Debian's Chromium, headless; installed first where it is missing and we may. */
export async function launchBrowser(): Promise<Browser> {
  requireDebianPackage("chromium", [CHROMIUM]);
  // Root, as in containers, cannot use Chromium's own sandbox.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

/** A page and everything that went wrong in it: script errors, refusals by the policy, failed requests. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  readonly faults: string[];
}

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, faults, [Symbol.asyncDispose]: async () => context.close() };
}

/** Every rule that axe finds broken, with the elements that break it. */
export async function findBarriers(page: Pick<Page, "evaluate">): Promise<readonly string[]> {
  // Through the debugger, so that the page's policy stays as it is.
  const found: unknown = await page.evaluate(`(async () => {
    ${AXE};
    const { violations } = await axe.run(document);
    return violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" | "));
  })()`);
  assert.ok(Array.isArray(found));
  return found.map(String);
}

export interface StoredPicture {
  readonly width?: number;
  readonly height?: number;
  readonly metadata?: JsonObject;
  /** Default: one for each second before now. */
  readonly imageId?: string;
}

/** Stores one gradient for each entry, the first entry the oldest, and gives the ids in that order. */
export async function storePictures(storage: MockStorage, pictures: readonly StoredPicture[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, { width = 96, height = 64, metadata = {}, imageId: givenId }] of pictures.entries()) {
    const imageId = givenId ?? createImageId(Date.now() - (pictures.length - index) * 1000);
    await storage.saveImage(encodePng({ width, height, rgb: drawGradient(width, height, index) }), imageId, {
      prompt: `picture ${index}`,
      seed: index,
      width,
      height,
      num_inference_steps: 20,
      guidance_scale: 7.5,
      model_name: "test-model",
      generation_seconds: 1.25,
      ...metadata,
    });
    ids.push(imageId);
  }
  return ids;
}

function drawGradient(width: number, height: number, seed: number): Uint8Array {
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      rgb[at] = (255 * x) / width;
      rgb[at + 1] = (255 * y) / height;
      rgb[at + 2] = (seed * 47) % 256;
    }
  }
  return rgb;
}
