import { BenchProcess } from "./bench-process.ts";
import type { BenchOptions } from "./bench-options.ts";
import { compare, runRounds, type Comparison, type Side } from "./rounds.ts";
import { installSdkV1 } from "./sdk-v1.ts";

const CONNECTIONS = 8;
const ARGUMENTS = { prompt: "a red fox in the snow", width: 512, height: 512, seed: 7 };
const MODERN = "2026-07-28";

interface Call {
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, unknown>>;
}

const COMMON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const PARAMS = { name: "generate_image", arguments: ARGUMENTS };
const LEGACY_CALL: Call = {
  headers: { ...COMMON_HEADERS, "mcp-protocol-version": "2025-11-25" },
  params: PARAMS,
};
const MODERN_CALL: Call = {
  headers: {
    ...COMMON_HEADERS,
    "mcp-protocol-version": MODERN,
    "mcp-method": "tools/call",
    "mcp-name": "generate_image",
  },
  params: {
    ...PARAMS,
    _meta: {
      "io.modelcontextprotocol/protocolVersion": MODERN,
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
};

/** A call of `generate_image` in both eras against the same tool on SDK v1, stateless. */
export async function benchTools({ rounds, quick }: BenchOptions): Promise<Comparison[]> {
  installSdkV1();
  await using client = await BenchProcess.script("client", "load-client.ts");
  await using modern = await BenchProcess.script("server", "tools-ours.ts");
  await using legacy = await BenchProcess.script("server", "tools-ours.ts");
  await using sdkV1 = await BenchProcess.script("server", "tools-sdk-v1.ts");
  await using floor = await BenchProcess.script("server", "tools-floor.ts");
  await using plain = await BenchProcess.script("server", "tools-plain.ts");

  const toSide = async (name: string, server: BenchProcess, call: Call, begin: Begin = stateless): Promise<Side> => {
    const url = String((await server.read())["url"]);
    const headers = { ...call.headers, ...(await begin(url)) };
    const callMany = async (count: number): Promise<number> => {
      const job = {
        url,
        method: "POST",
        requests: [{ path: "", headers }],
        body: `{"jsonrpc":"2.0","id":$ID,"method":"tools/call","params":${JSON.stringify(call.params)}}`,
        expectedStatus: 200,
        expectedText: "/images/img_",
        count,
        connections: CONNECTIONS,
      };
      return Number((await client.ask(job))["seconds"]);
    };
    await callMany(quick ? 500 : 4000);
    const count = quick ? 300 : 1500;
    const run = async () => {
      const before = server.cpuMicros();
      const seconds = await callMany(count);
      return { cpuMicros: (server.cpuMicros() - before) / count, perSecond: count / seconds };
    };
    return { name, run };
  };
  const samples = await runRounds(
    [
      await toSide("ours, 2026-07-28", modern, MODERN_CALL),
      await toSide("ours, 2025-11-25", legacy, LEGACY_CALL, beginSession),
      await toSide("SDK v1, stateless", sdkV1, LEGACY_CALL),
      await toSide("SDK v2 by hand", floor, MODERN_CALL),
      await toSide("no MCP at all", plain, LEGACY_CALL),
    ],
    rounds,
  );
  const base = "SDK v1, stateless";
  const byHand = "SDK v2 by hand";
  const less = "no MCP at all";
  const ours = ["ours, 2026-07-28", "ours, 2025-11-25"];
  return [
    ...ours.map((side) => compare(samples, { what: "`tools/call`, with the work behind it", side, base, goal: 0.5 })),
    ...ours.map((side) => compare(samples, { what: "the same", side, base: byHand, goal: 1.1 })),
    compare(samples, { what: "the same", side: byHand, base }),
    compare(samples, { what: "the work behind it", side: less, base }),
    ...ours.map((side) => compare(samples, { what: "MCP alone: less the work behind it", side, base, less })),
  ];
}

type Headers = Readonly<Record<string, string>>;
/** Does what comes before the first call, and gives the headers that calls then need. */
type Begin = (url: string) => Promise<Headers>;

async function stateless(): Promise<Headers> {
  return {};
}

async function beginSession(url: string): Promise<Headers> {
  const post = async (headers: Headers, body: object): Promise<Response> => {
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", ...body }) });
    await response.text();
    return response;
  };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "0.0.0" } };
  const begun = await post(COMMON_HEADERS, { id: 0, method: "initialize", params });
  const session = { "mcp-session-id": begun.headers.get("mcp-session-id") ?? "" };
  await post({ ...LEGACY_CALL.headers, ...session }, { method: "notifications/initialized" });
  return session;
}
