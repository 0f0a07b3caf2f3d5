import type { JsonObject } from "../../core/json.ts";
import { toReport, type Drawing } from "./drawing.ts";
import type { V2OutputName } from "./v2-metadata.ts";
import type { V2Request } from "./v2-request.ts";
import { writeOutputTensor, type OutputTensor } from "./v2-tensors.ts";

/** The body of an infer answer; with binary outputs, how long its JSON is. */
export interface V2Answer {
  readonly body: Buffer;
  readonly jsonBytes: number | undefined;
}

/** Writes what was asked for: pictures as PNG (base64 in JSON), seeds, and a report of each picture as JSON text. */
export function toV2Answer(modelName: string, { id, outputs }: V2Request, drawings: readonly Drawing[]): V2Answer {
  const written = outputs.map(({ name, isBinary }) => writeOutputTensor({ ...toTensor(name, drawings), isBinary }));
  const [only, ...others] = drawings;
  const document: JsonObject = {
    model_name: modelName,
    ...(id !== undefined && { id }),
    // A client that reads no reports still learns the seed.
    ...(only !== undefined && others.length === 0 && { parameters: toParameters(only) }),
    outputs: written.map(({ json }) => json),
  };
  const json = Buffer.from(JSON.stringify(document));
  const isBinary = outputs.some((output) => output.isBinary);
  return {
    body: Buffer.concat([json, ...written.flatMap(({ bytes }) => bytes)]),
    jsonBytes: isBinary ? json.length : undefined,
  };
}

function toTensor(name: V2OutputName, drawings: readonly Drawing[]): Omit<OutputTensor, "isBinary"> {
  const utf8 = (value: Uint8Array): string => Buffer.from(value).toString("utf8");
  switch (name) {
    case "image": {
      const text = (value: Uint8Array): string => Buffer.from(value).toString("base64");
      return { name, datatype: "BYTES", values: drawings.map(({ picture }) => picture.png), text };
    }
    case "seed":
      return { name, datatype: "INT64", values: drawings.map(({ picture }) => picture.settings.seed), text: utf8 };
    case "report": {
      const values = drawings.map((drawing) => Buffer.from(JSON.stringify(toReport(drawing))));
      return { name, datatype: "BYTES", values, text: utf8 };
    }
  }
}

/** Parameters of the protocol are plain values. */
function toParameters(drawing: Drawing): JsonObject {
  const plain = Object.entries(toReport(drawing)).filter(([, value]) => typeof value !== "object");
  return Object.fromEntries(plain);
}
