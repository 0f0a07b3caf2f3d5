import type { KServeClientOptions } from "../kserve/kserve-client.ts";
import type { FakeFace } from "./fake-faces.ts";
import { createKServeBench, type KServeBench } from "./kserve-bench.ts";

/** A client that finds out the protocol and repeats nothing, unless the options say otherwise, at a server with this face. */
export async function createProtocolBench(
  face: FakeFace,
  options: Partial<KServeClientOptions> = {},
): Promise<KServeBench> {
  return createKServeBench({ protocol: "auto", maxRetries: 0, ...options }, { face });
}

/** Every request as `METHOD path`, in order. */
export function requestsOf(bench: KServeBench): string[] {
  return bench.runtime.requests.map(({ method, path }) => `${method} ${path}`);
}

/** The bodies of the jobs, parsed. */
export function bodiesOf(bench: KServeBench): Record<string, unknown>[] {
  return bench.runtime.posts.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
}

/** The tensors of the last V2 job by name: datatype, shape and value. */
export function tensorsOf(bench: KServeBench): Record<string, unknown> {
  const inputs = bodiesOf(bench).at(-1)?.["inputs"] as {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data: readonly unknown[];
  }[];
  return Object.fromEntries(inputs.map(({ name, datatype, shape, data }) => [name, [datatype, shape, data[0]]]));
}
