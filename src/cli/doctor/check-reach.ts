import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { fail, ok, type Finding } from "./finding.ts";

const TIMEOUT_MS = 5000;

/** Follows the way to a server step by step: its name, a connection, TLS. Stops at the first step that fails. */
export async function checkReach(endpoint: string): Promise<readonly Finding[]> {
  const url = new URL(endpoint);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isSecure = url.protocol === "https:";
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const findings: Finding[] = [];
  const steps: (() => Promise<Finding>)[] = [
    async () => checkName(host),
    async () => checkConnection(host, port),
    ...(isSecure ? [async () => checkTls(host, port)] : []),
  ];
  for (const step of steps) {
    const finding = await step();
    findings.push(finding);
    if (finding.status === "fail") break;
  }
  return findings;
}

async function checkName(host: string): Promise<Finding> {
  try {
    const { address } = await lookup(host);
    return ok("dns", address === host ? `${host} is an address` : `${host} is ${address}`);
  } catch (error) {
    return fail("dns", `The name ${host} cannot be resolved: ${codeOf(error)}`, "Check the host of KSERVE_ENDPOINT.");
  }
}

async function checkConnection(host: string, port: number): Promise<Finding> {
  const startedAtMs = performance.now();
  try {
    (await opened(connectTcp({ host, port }), "connect")).destroy();
    return ok("tcp", `Port ${port} accepts connections (${Math.round(performance.now() - startedAtMs)} ms)`);
  } catch (error) {
    const remedy = "Check the port of KSERVE_ENDPOINT, whether the InferenceService runs, and the network policy.";
    return fail("tcp", `No connection to ${host}, port ${port}: ${codeOf(error)}`, remedy);
  }
}

async function checkTls(host: string, port: number): Promise<Finding> {
  try {
    const name = isIP(host) === 0 ? { servername: host } : {};
    (await opened(connectTls({ host, port, ...name }), "secureConnect")).destroy();
    return ok("tls", "The certificate is trusted");
  } catch (error) {
    const remedy = "Trust its authority with NODE_EXTRA_CA_CERTS, or check the scheme and host of KSERVE_ENDPOINT.";
    return fail("tls", `No trusted TLS connection: ${codeOf(error)}`, remedy);
  }
}

async function opened(socket: Socket, event: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
  socket.once(event, () => resolve(socket));
  socket.once("error", reject);
  return promise;
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.message : String(error);
}
