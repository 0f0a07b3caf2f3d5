import { getLogger } from "../logging/logger.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { CommandContext } from "./command-context.ts";

/** The usual variables that say where telemetry goes; without any of them nothing of OpenTelemetry is loaded. */
const SWITCHES = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_TRACES_EXPORTER",
  "OTEL_METRICS_EXPORTER",
] as const;

const logger = getLogger("telemetry");

/** Starts OpenTelemetry's SDK when its usual variables ask for it; gives `undefined` otherwise. */
export async function startTracing(
  { env, version }: CommandContext,
  serviceName: string,
): Promise<Tracing | undefined> {
  const isWanted = SWITCHES.some((name) => env[name] !== undefined && env[name] !== "" && env[name] !== "none");
  if (!isWanted || env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  try {
    const { NodeSDK } = await import("@opentelemetry/sdk-node");
    const { OpenTelemetryTracing } = await import("../telemetry/open-telemetry-tracing.ts");
    const sdk = new NodeSDK({ serviceName: env["OTEL_SERVICE_NAME"] ?? serviceName });
    sdk.start();
    logger.info("telemetry_started");
    return new OpenTelemetryTracing({ version, shutDown: async () => sdk.shutdown() });
  } catch (error) {
    logger.error("telemetry_not_started", { needs: "the package @opentelemetry/sdk-node", error });
    return undefined;
  }
}
