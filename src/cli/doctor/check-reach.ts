import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { KServeAccessSettings } from "../../config/settings.ts";
import { MCPImageError } from "../../core/errors.ts";
import { explainTlsFailure } from "../../kserve/tls-failure.ts";
import { Trust } from "../../kserve/trust.ts";
import { fail, ok, toFailure, warn, type Finding } from "./finding.ts";

const TIMEOUT_MS = 5000;

/** Follows the way to a server step by step: its name, a connection, TLS. Stops at the first step that fails. */
export async function checkReach(endpoint: string, access: KServeAccessSettings): Promise<readonly Finding[]> {
  const url = new URL(endpoint);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isSecure = url.protocol === "https:";
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const findings: Finding[] = [];
  const steps: (() => Promise<Finding>)[] = [
    async () => checkName(host),
    async () => checkConnection(host, port),
    ...(isSecure ? [async () => checkTls(host, port, access)] : []),
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

async function checkTls(host: string, port: number, access: KServeAccessSettings): Promise<Finding> {
  const { hostHeader, insecureSkipVerify } = access;
  const name = access.servername ?? hostHeader?.replace(/:\d+$/, "") ?? host;
  try {
    const secureContext = await new Trust(access).read();
    const socket = connectTls({
      host,
      port,
      rejectUnauthorized: !insecureSkipVerify,
      ...(isIP(name) === 0 && { servername: name }),
      ...(secureContext && { secureContext }),
    });
    (await opened(socket, "secureConnect")).destroy();
    if (!insecureSkipVerify) return ok("tls", "The certificate is trusted");
    return warn(
      "tls",
      "The certificate is not looked at",
      "Use KSERVE_CA_FILE instead of KSERVE_INSECURE_SKIP_VERIFY.",
    );
  } catch (error) {
    if (error instanceof MCPImageError) return toFailure("tls", error);
    const remedy = explainTlsFailure(error) ?? "Check the scheme, the host and the port of KSERVE_ENDPOINT";
    return fail("tls", `No trusted TLS connection: ${codeOf(error)}`, `${remedy}.`);
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
