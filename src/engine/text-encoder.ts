import { ConfigurationError } from "../core/errors.ts";
import { requireInputs, requireOutput } from "./network-check.ts";
import type { Network, OutputTensor } from "./network.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What the U-Net is told about one prompt. */
export interface PromptStates {
  /** A vector per token. */
  readonly tokens: OutputTensor;
  /** One vector for the whole prompt, of models that want it (SDXL). */
  readonly pooled?: OutputTensor;
}

export interface EncodedPrompts {
  /** One per prompt. */
  readonly states: readonly PromptStates[];
  /** What of the prompts did not reach the model, in our own words. */
  readonly warnings: readonly string[];
}

export interface TextEncoderPart {
  readonly tokenizer: Tokenizer;
  readonly network: Network;
}

/** Which layer describes the tokens: SDXL takes the last but one. */
export type TokenLayer = "last" | "last_but_one";

const MAX_NAMED_WORDS = 10;

/** Tokens and the networks that read them: one, or the two of SDXL, whose vectors are put behind one another. */
export class TextEncoder {
  readonly #parts: readonly EncoderRun[];

  /** @throws {ConfigurationError} `configuration_invalid` when a network is not a text encoder that serves here */
  constructor(parts: readonly TextEncoderPart[], layer: TokenLayer = "last") {
    this.#parts = parts.map(
      (part, index) => new EncoderRun(part, layer, layer !== "last" && index === parts.length - 1),
    );
  }

  async encode(prompts: readonly string[]): Promise<EncodedPrompts> {
    const states: PromptStates[] = [];
    const unknownWords = new Set<string>();
    let truncated = false;
    for (const prompt of prompts) {
      const outputs: PromptStates[] = [];
      for (const part of this.#parts) {
        const encoded = part.tokenizer.encode(prompt);
        for (const word of encoded.unknownWords) unknownWords.add(word);
        truncated ||= encoded.truncated;
        outputs.push(await part.run(encoded.ids));
      }
      const pooled = outputs.at(-1)?.pooled;
      states.push({ tokens: joinVectors(outputs.map(({ tokens }) => tokens)), ...(pooled && { pooled }) });
    }
    return { states, warnings: toWarnings([...unknownWords], truncated) };
  }
}

/** The states of a prompt that says nothing, for models that were trained with zeros for it. */
export function toZeroStates({ tokens, pooled }: PromptStates): PromptStates {
  const zeros = ({ shape, values }: OutputTensor): OutputTensor => ({ shape, values: new Float32Array(values.length) });
  return { tokens: zeros(tokens), ...(pooled && { pooled: zeros(pooled) }) };
}

class EncoderRun {
  readonly tokenizer: Tokenizer;
  readonly #network: Network;
  readonly #input: string;
  readonly #tokens: string;
  readonly #pooled: string | undefined;

  constructor({ tokenizer, network }: TextEncoderPart, layer: TokenLayer, isPooled: boolean) {
    this.tokenizer = tokenizer;
    this.#network = network;
    this.#input = requireInputs(network, "input_ids")[0].name;
    this.#tokens = layer === "last" ? requireOutput(network, "last_hidden_state", 3) : lastLayerButOne(network);
    this.#pooled = isPooled ? requireOutput(network, "text_embeds", 2) : undefined;
  }

  async run(ids: readonly number[]): Promise<PromptStates> {
    const input = { [this.#input]: { shape: [1, ids.length], values: ids } };
    if (this.#pooled === undefined) {
      const [tokens] = await this.#network.run(input, this.#tokens);
      return { tokens };
    }
    const [tokens, pooled] = await this.#network.run(input, this.#tokens, this.#pooled);
    return { tokens, pooled };
  }
}

/** Exports name the layers `hidden_states.0` and so on. */
function lastLayerButOne({ outputs, path }: Network): string {
  const layers = outputs.flatMap(({ name }) => /^hidden_states\.(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  if (layers.length >= 2) return `hidden_states.${Math.max(...layers) - 1}`;
  const message = `Cannot use network "${path}": it has no outputs "hidden_states.N"; export it as a part of SDXL`;
  throw new ConfigurationError("configuration_invalid", message);
}

/** Token by token, the vector of each behind that of the one before. */
function joinVectors(parts: readonly OutputTensor[]): OutputTensor {
  const [first, ...others] = parts;
  if (first === undefined) throw new RangeError("A prompt was encoded by no network");
  if (others.length === 0) return first;
  const [batch = 1, length = 0] = first.shape;
  const widths = parts.map(({ shape }) => shape[2] ?? 0);
  const width = widths.reduce((sum, size) => sum + size, 0);
  const values = new Float32Array(batch * length * width);
  let offset = 0;
  for (let token = 0; token < batch * length; token++) {
    for (const [index, part] of parts.entries()) {
      const size = widths[index] ?? 0;
      values.set(part.values.subarray(token * size, (token + 1) * size), offset);
      offset += size;
    }
  }
  return { shape: [batch, length, width], values };
}

function toWarnings(unknownWords: readonly string[], truncated: boolean): string[] {
  const more = unknownWords.length > MAX_NAMED_WORDS ? ", …" : "";
  return [
    ...(unknownWords.length > 0 ? [`not understood: ${unknownWords.slice(0, MAX_NAMED_WORDS).join(", ")}${more}`] : []),
    ...(truncated ? ["the prompt is too long for the model; its end was not used"] : []),
  ];
}
