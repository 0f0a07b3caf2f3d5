import { ConfigurationError } from "../core/errors.ts";
import type { Network, TensorSpec } from "./network.ts";

/**
 * The inputs of these names, in this order.
 *
 * @throws {ConfigurationError} `configuration_invalid` when one is missing, or when the network wants more than these
 */
export function requireInputs<Names extends readonly string[]>(
  network: Network,
  ...names: Names
): { [Index in keyof Names]: TensorSpec } {
  const unknown = network.inputs.filter((spec) => !names.includes(spec.name)).map((spec) => spec.name);
  if (unknown.length > 0) {
    throw invalid(network, `it wants the input ${unknown.join(", ")}, which this engine does not have`);
  }
  const specs = names.map((name) => {
    const found = network.inputs.find((spec) => spec.name === name);
    if (found === undefined) throw invalid(network, `it has no input "${name}"`);
    return found;
  });
  return specs as { [Index in keyof Names]: TensorSpec };
}

/**
 * The name of the output with this many dimensions; the preferred name when it is there.
 *
 * @throws {ConfigurationError} `configuration_invalid` when there is none
 */
export function requireOutput(network: Network, preferred: string, dimensions: number): string {
  const named = network.outputs.find((spec) => spec.name === preferred);
  const found = named ?? network.outputs.find((spec) => spec.shape.length === dimensions);
  if (found === undefined) throw invalid(network, `it has no output "${preferred}"`);
  return found.name;
}

function invalid(network: Network, reason: string): ConfigurationError {
  return new ConfigurationError("configuration_invalid", `Cannot use network "${network.path}": ${reason}`);
}
