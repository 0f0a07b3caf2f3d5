import { isJsonObject, type JsonValue } from "../../core/json.ts";
import type { Random } from "../../core/random.ts";
import type { GenerationRequest } from "../generation-request.ts";
import { checkPictureCount, invalid, MAX_PICTURES, parseInstance, show } from "./instance.ts";

/**
 * The pictures that a KServe V1 predict body asks for, in the order of its instances.
 *
 * @throws {ValidationError} `invalid_argument` naming the field, what was found and what is allowed
 */
export function parseV1Request(body: unknown, random: Random): readonly GenerationRequest[] {
  const instances = isJsonObject(body) ? body["instances"] : undefined;
  if (!Array.isArray(instances)) throw invalid("instances", "is missing", "a list of objects");
  const listed = instances as readonly JsonValue[];
  if (listed.length === 0 || listed.length > MAX_PICTURES) {
    throw invalid("instances", `has ${listed.length} entries`, `1 to ${MAX_PICTURES} objects`);
  }
  const requests = listed.flatMap((instance, index) => {
    const name = `instances[${index}]`;
    if (!isJsonObject(instance)) throw invalid(name, `is ${show(instance)}`, "an object");
    return parseInstance(instance, random, listed.length === 1 ? "" : `${name}.`);
  });
  return checkPictureCount(requests);
}
