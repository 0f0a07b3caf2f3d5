import { createGenerator } from "../../app/create-generator.ts";
import { createStorage } from "../../app/create-storage.ts";
import { loadSettings, type LoadedSettings } from "../../config/load-settings.ts";
import { InvalidSettingsError } from "../../config/setting-fault.ts";
import type { Settings } from "../../config/settings.ts";
import { KServeClient } from "../../kserve/kserve-client.ts";
import { configureLogging } from "../../logging/logger.ts";
import type { CommandContext } from "../command-context.ts";
import { deskDefaults } from "../desk-defaults.ts";
import { checkClock } from "../doctor/check-clock.ts";
import { checkGeneration } from "../doctor/check-generation.ts";
import { checkModel } from "../doctor/check-model.ts";
import { checkReach } from "../doctor/check-reach.ts";
import { checkServer } from "../doctor/check-server.ts";
import { checkSigning } from "../doctor/check-signing.ts";
import { checkDisk, checkStorage } from "../doctor/check-storage.ts";
import { fail, ok, printFindings, skip, toFailure, warn, type Finding } from "../doctor/finding.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface DoctorOptions {
  readonly envFile: string | undefined;
  readonly local?: boolean;
  /** Also draw with a model server; the built-in engine always draws. */
  readonly generate?: boolean;
  readonly json?: boolean;
}

/** Looks at everything that a picture needs, and prints what was found and what to do: 69 when something fails. */
export async function doctor(context: CommandContext, options: DoctorOptions): Promise<number> {
  const { findings, exitCode } = await examine(context, options);
  context.stdout.write(options.json ? `${JSON.stringify(findings)}\n` : printFindings(findings));
  return exitCode;
}

async function examine(
  context: CommandContext,
  options: DoctorOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly exitCode: ExitCode }> {
  let loaded: LoadedSettings;
  try {
    loaded = loadSettings({
      env: context.env,
      envFile: { path: options.envFile ?? ".env", required: options.envFile !== undefined },
      requireEndpoint: true,
      ...(options.local && { defaults: deskDefaults(context.env) }),
    });
  } catch (error) {
    if (!(error instanceof InvalidSettingsError)) throw error;
    const remedy = "Run `mcp-image-server config docs`, or try the built-in engine with --local.";
    const faults = error.faults.map(({ name, rule, example }) =>
      fail("settings", `${name} ${rule}`, example === undefined ? remedy : `Write for example ${example}`),
    );
    return { findings: faults, exitCode: EXIT.configuration };
  }
  const { settings, warnings } = loaded;
  // The findings say it all.
  configureLogging({ service: settings.service.name, level: "CRITICAL", destination: { write: () => undefined } });
  const findings = [
    ok("settings", "The settings are valid"),
    ...warnings.map(({ name, message }) => warn("settings", `${name}: ${message}`, "Correct or remove it.")),
    ...(await checkGenerator(settings, options.generate ?? false)),
    ...(await checkStore(settings)),
    await checkClock(listServers(settings)),
    ...(await checkServer(settings.http)),
    ...(await checkSigning(settings.images.signing, context.version)),
  ];
  const hasFailed = findings.some(({ status }) => status === "fail");
  return { findings, exitCode: hasFailed ? EXIT.unavailable : EXIT.ok };
}

async function checkGenerator(settings: Settings, draws: boolean): Promise<readonly Finding[]> {
  const { endpoint, access } = settings.kserve;
  const findings: Finding[] = endpoint?.kind === "url" ? [...(await checkReach(endpoint.url, access))] : [];
  if (hasFailure(findings)) return findings;
  try {
    await using generator = createGenerator(settings);
    if (generator.images instanceof KServeClient) findings.push(...(await checkModel(generator.images)));
    else await generator.warmUp();
    if (endpoint?.kind === "embedded") findings.push(ok("model", `Built-in engine, ${generator.modelName()}`));
    if (hasFailure(findings)) return findings;
    if (endpoint?.kind === "embedded" || draws) return [...findings, ...(await checkGeneration(generator.images))];
    return [...findings, skip("generation", "Not tried; --generate draws two tiny pictures")];
  } catch (error) {
    const failure = toFailure("model", error);
    if (endpoint?.kind !== "embedded") return [...findings, failure];
    const remedy = "MODEL_PATH must be a folder as `optimum-cli export onnx` writes it; `models check` looks closer.";
    return [...findings, settings.engine.modelPath === undefined ? failure : { ...failure, remedy }];
  }
}

async function checkStore(settings: Settings): Promise<readonly Finding[]> {
  await using storage = createStorage(settings.storage, () => "");
  const written = await checkStorage(storage, settings.storage.backend);
  if (written.status === "fail" || settings.storage.backend !== "file") return [written];
  return [written, await checkDisk(settings.storage.path, settings.images)];
}

function listServers({ kserve, storage }: Settings): Record<string, string> {
  return {
    ...(kserve.endpoint?.kind === "url" && { "model server": kserve.endpoint.url }),
    ...(storage.backend === "s3" && {
      "image storage": storage.endpointUrl ?? `https://s3.${storage.region}.amazonaws.com`,
    }),
  };
}

function hasFailure(findings: readonly Finding[]): boolean {
  return findings.some(({ status }) => status === "fail");
}
