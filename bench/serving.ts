import { link, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createImageId } from "../src/core/image-id.ts";
import { FileStorage } from "../src/storage/file-storage.ts";
import { createSampleImage } from "../src/testing/sample-images.ts";
import type { BenchOptions } from "./bench-options.ts";
import { hasCommand } from "./bench-process.ts";
import { createLoadGenerator, type LoadGenerator, type LoadRequest } from "./load.ts";
import { compare, runRounds, type Comparison, type Sample } from "./rounds.ts";
import { TemporaryFolder } from "./temporary-folder.ts";
import { startByHand, startNginx, startOurs, type WebServer } from "./web-server.ts";

interface Case {
  readonly what: string;
  readonly expectedStatus: number;
  /** Requests per round. */
  readonly count: number;
  readonly goal?: number;
  /** Also measured: the same by hand with `node:http`, which says what a goal asks of Node itself. */
  readonly byHand?: true;
  readonly toRequests: (server: WebServer) => Promise<LoadRequest[]>;
}

/**
 * Of each size twice as many bytes are stored as our server keeps in memory (64 MiB), so that asking for all in turn
 * misses every time; the hot ones of all sizes fit together.
 */
const SIZES = [
  { label: "50 kB", bytes: 50_000, stored: 2_600, hot: 64, count: 6_000, hitGoal: 1.8, missGoal: 4 },
  { label: "500 kB", bytes: 500_000, stored: 260, hot: 32, count: 2_500, hitGoal: 1, missGoal: 1.5 },
  { label: "2 MB", bytes: 2_000_000, stored: 68, hot: 16, count: 800, hitGoal: 0.9, missGoal: 1.1 },
];
/** What nginx makes by itself, or as our own server does per request. */
const NOT_COPIED =
  /^(?:x-request-id|date|connection|keep-alive|etag|last-modified|accept-ranges|content-(?:length|type))$/;
const SAVES_AT_ONCE = 8;
const NGINX = "nginx";
const OURS = "ours";
const BY_HAND = "by hand with node:http";

/** `GET /images/{id}` against nginx that serves the very same files with the same headers. */
export async function benchServing({ rounds, quick }: BenchOptions): Promise<Comparison[]> {
  if (!hasCommand("nginx", ["-v"])) {
    console.log("nginx is not installed (apt-get install nginx): there is nothing to compare with");
    return [];
  }
  using folder = new TemporaryFolder();
  const paths = await storePictures(folder.path);
  const ours = await startOurs(join(folder.path, "storage"));
  await using _ours = ours.process;
  const nginx = await startNginx(folder.path, await readHeaders(ours, paths[0]?.[0] ?? ""));
  await using _nginx = nginx.process;
  const byHand = await startByHand(folder.path);
  await using _byHand = byHand.process;
  await using load = await createLoadGenerator(folder.path);

  const comparisons: Comparison[] = [];
  for (const oneCase of toCases(paths)) {
    const count = quick ? 1 : oneCase.count;
    const names = { what: oneCase.what, side: OURS, base: NGINX };
    const hand = oneCase.byHand === true ? [{ name: BY_HAND, server: byHand }] : [];
    const sides = await Promise.all(
      [{ name: NGINX, server: nginx }, { name: OURS, server: ours }, ...hand].map(async ({ name, server }) => {
        const requests = await oneCase.toRequests(server);
        await checkAnswer(server, requests[0], oneCase.expectedStatus);
        return { name, run: async () => measure(load, server, { ...oneCase, count, requests }) };
      }),
    );
    // The first round fills caches and makes code hot.
    await runRounds(sides, 1);
    const samples = await runRounds(sides, rounds);
    comparisons.push(compare(samples, { ...names, ...(oneCase.goal !== undefined && { goal: oneCase.goal }) }));
    if (oneCase.byHand === true) comparisons.push(compare(samples, { ...names, side: BY_HAND }));
  }
  return comparisons;
}

async function measure(
  load: LoadGenerator,
  { process, baseUrl }: WebServer,
  { what, requests, expectedStatus, count: least }: Case & { readonly requests: readonly LoadRequest[] },
): Promise<Sample> {
  const before = process.cpuMicros();
  const { count, seconds } = await load.run({ name: what, baseUrl, requests, expectedStatus }, least);
  return { cpuMicros: (process.cpuMicros() - before) / count, perSecond: count / seconds };
}

function toCases(paths: readonly (readonly string[])[]): Case[] {
  const plain = (some: readonly string[]) => async () => some.map((path) => ({ path, headers: {} }));
  const hot = SIZES.map(({ hot: count }, index) => (paths[index] ?? []).slice(0, count));
  const [small = [], , large = []] = hot;
  return [
    ...SIZES.map(({ label, count, hitGoal }, index) => ({
      what: `${label}, in memory`,
      expectedStatus: 200,
      count,
      goal: hitGoal,
      toRequests: plain(hot[index] ?? []),
    })),
    {
      what: "304 of 50 kB",
      expectedStatus: 304,
      count: 6_000,
      goal: 2,
      toRequests: async ({ baseUrl }) =>
        Promise.all(
          small.map(async (path) => {
            // A GET, so that the picture is in memory.
            const response = await fetch(baseUrl + path);
            await response.arrayBuffer();
            return { path, headers: { "If-None-Match": response.headers.get("etag") ?? "" } };
          }),
        ),
    },
    {
      what: "64 KiB range of 2 MB",
      expectedStatus: 206,
      count: 4_000,
      goal: 1.4,
      toRequests: async () => large.map((path) => ({ path, headers: { Range: "bytes=1000000-1065535" } })),
    },
    {
      what: "404, unknown id",
      expectedStatus: 404,
      count: 6_000,
      goal: 2.5,
      byHand: true,
      toRequests: plain(Array.from({ length: 64 }, () => `/images/${createImageId(Date.now())}`)),
    },
    ...SIZES.map(({ label, count, missGoal }, index) => ({
      what: `${label}, from disk cache`,
      expectedStatus: 200,
      count: count / 2,
      goal: missGoal,
      byHand: true as const,
      toRequests: plain(paths[index] ?? []),
    })),
  ];
}

/** The paths by size. nginx gets links to the files that our server keeps, under the names of our URLs. */
async function storePictures(folder: string): Promise<string[][]> {
  await using storage = new FileStorage({ basePath: join(folder, "storage"), baseUrl: "" });
  await mkdir(join(folder, "pictures"));
  const paths: string[][] = [];
  for (const { bytes, stored } of SIZES) {
    const ofSize: string[] = [];
    while (ofSize.length < stored) {
      const ids = Array.from({ length: SAVES_AT_ONCE }, () => createImageId(Date.now()));
      await Promise.all(
        ids.map(async (id) => {
          const file = await storage.saveImage(createSampleImage(bytes), id, {});
          await link(file, join(folder, "pictures", id));
          ofSize.push(`/images/${id}`);
        }),
      );
    }
    paths.push(ofSize);
  }
  return paths;
}

async function readHeaders({ baseUrl }: WebServer, path: string): Promise<Map<string, string>> {
  const { headers } = await fetch(baseUrl + path, { method: "HEAD" });
  return new Map([...headers].filter(([name]) => !NOT_COPIED.test(name)));
}

async function checkAnswer({ baseUrl }: WebServer, request: LoadRequest | undefined, status: number): Promise<void> {
  const response = await fetch(baseUrl + (request?.path ?? ""), { headers: request?.headers ?? {} });
  await response.arrayBuffer();
  if (response.status !== status) throw new Error(`${baseUrl} answers ${response.status} instead of ${status}`);
}
