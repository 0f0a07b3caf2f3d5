import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { ConfigurationError, isErrno, MCPImageError } from "../core/errors.ts";
import { fromHalfFloatBits, toHalfFloatBits } from "./half-float.ts";
import type { LoadedRuntime, OnnxRuntime } from "./onnx-runtime.ts";
import type { InputTensor, Network, OutputTensor, OutputTensors, TensorSpec } from "./network.ts";

/** @throws {ConfigurationError} `configuration_invalid` when the file is missing or is not a network we can run */
export async function loadOnnxNetwork(runtime: LoadedRuntime, path: string): Promise<Network> {
  const { module } = runtime;
  let session: InferenceSession;
  try {
    session = await createSession(runtime, path);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    if (isOutOfMemory(error)) {
      throw new MCPImageError("out_of_memory", `Cannot load network "${path}"`, { cause: error });
    }
    throw new ConfigurationError("configuration_invalid", `Cannot load network "${path}"`, { cause: error });
  }
  const inputs = session.inputMetadata.flatMap(toSpec);
  const typeOf = new Map(inputs.map((spec) => [spec.name, spec.type]));
  return {
    path,
    inputs,
    outputs: session.outputMetadata.flatMap(toSpec),
    run: async (feeds, ...outputs) => {
      const tensors = Object.entries(feeds).map(([name, input]): [string, Tensor] => {
        return [name, toTensor(module, typeOf.get(name) ?? "float32", input)];
      });
      const results = await session.run(Object.fromEntries(tensors), outputs).catch((error: unknown) => {
        throw toRunError(path, error);
      });
      return outputs.map((output) => {
        const result = results[output];
        if (result === undefined) throw new Error(`Network "${path}" has no output "${output}"`);
        return toOutput(result);
      }) as OutputTensors<typeof outputs>;
    },
  };
}

async function createSession({ module, setup }: LoadedRuntime, path: string): Promise<InferenceSession> {
  switch (setup.kind) {
    case "wasm": {
      const model = await readModel(path);
      const externalData = await readExternalData(path);
      return module.InferenceSession.create(model, { executionProviders: ["wasm"], externalData });
    }
    case "native":
      await access(path, constants.R_OK).catch((error: unknown) => refuseModel(path, error));
      // By its path, so that it finds weights in a file beside it.
      return module.InferenceSession.create(path, {
        executionProviders: ["cpu"],
        intraOpNumThreads: setup.threads,
        interOpNumThreads: 1,
        // Memory that is kept for later would count against the limit.
        enableCpuMemArena: setup.memoryMegabytes === undefined,
      });
  }
}

function toRunError(path: string, error: unknown): MCPImageError {
  const code = isOutOfMemory(error) ? "out_of_memory" : "upstream_error";
  return new MCPImageError(code, `Cannot run network "${path}"`, { cause: error });
}

function isOutOfMemory(error: unknown): boolean {
  return /bad_alloc|out of memory|allocation failed|failed to allocate/i.test(String(error));
}

async function readModel(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    return refuseModel(path, error);
  }
}

function refuseModel(path: string, error: unknown): never {
  const reason = isErrno(error, "ENOENT", "ENOTDIR") ? "it does not exist" : "it cannot be read";
  throw new ConfigurationError("configuration_invalid", `Cannot load network "${path}": ${reason}`, { cause: error });
}

/** Weights beyond 2 GB lie in a file of their own beside the network. */
async function readExternalData(path: string): Promise<{ path: string; data: Uint8Array }[]> {
  const dataPath = `${path}_data`;
  try {
    return [{ path: basename(dataPath), data: await readFile(dataPath) }];
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

function toSpec(metadata: InferenceSession.ValueMetadata): TensorSpec[] {
  return metadata.isTensor ? [{ name: metadata.name, type: metadata.type, shape: metadata.shape }] : [];
}

function toTensor(runtime: OnnxRuntime, type: string, { shape, values }: InputTensor): Tensor {
  switch (type) {
    case "float32":
      return new runtime.Tensor("float32", new Float32Array(values), shape);
    case "float16":
      return new runtime.Tensor("float16", toHalfFloatBits(values), shape);
    case "float64":
      return new runtime.Tensor("float64", Float64Array.from(values), shape);
    case "int64":
      return new runtime.Tensor(
        "int64",
        BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
        shape,
      );
    case "int32":
      return new runtime.Tensor("int32", Int32Array.from(values, Math.trunc), shape);
    default:
      throw new ConfigurationError("configuration_invalid", `Cannot feed a network with numbers of type ${type}`);
  }
}

function toOutput({ type, data, dims: shape }: Tensor): OutputTensor {
  if (data instanceof Float32Array || data instanceof Float64Array) return { shape, values: new Float32Array(data) };
  // A Float16Array on newer versions of Node, bits on older ones.
  if (type === "float16" && data instanceof Uint16Array) return { shape, values: fromHalfFloatBits(data) };
  if (type === "float16" && ArrayBuffer.isView(data)) {
    return { shape, values: fromHalfFloatBits(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)) };
  }
  throw new ConfigurationError("configuration_invalid", `Cannot read numbers of type ${type} from a network`);
}
