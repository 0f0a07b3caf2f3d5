import { requireInputs, requireOutput } from "./network-check.ts";
import type { Network, OutputTensor } from "./network.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What the U-Net is told about one prompt: a vector per token. */
export type PromptStates = OutputTensor;

export interface EncodedPrompts {
  /** One per prompt. */
  readonly states: readonly PromptStates[];
  /** What of the prompts did not reach the model, in our own words. */
  readonly warnings: readonly string[];
}

const MAX_NAMED_WORDS = 10;

/** Tokens and the network that reads them. */
export class TextEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #network: Network;
  readonly #input: string;
  readonly #output: string;

  /** @throws {ConfigurationError} `configuration_invalid` when the network is not a text encoder */
  constructor(tokenizer: Tokenizer, network: Network) {
    this.#tokenizer = tokenizer;
    this.#network = network;
    this.#input = requireInputs(network, "input_ids")[0].name;
    this.#output = requireOutput(network, "last_hidden_state", 3);
  }

  async encode(prompts: readonly string[]): Promise<EncodedPrompts> {
    const states: PromptStates[] = [];
    const unknownWords = new Set<string>();
    let truncated = false;
    for (const prompt of prompts) {
      const encoded = this.#tokenizer.encode(prompt);
      for (const word of encoded.unknownWords) unknownWords.add(word);
      truncated ||= encoded.truncated;
      const input = { shape: [1, encoded.ids.length], values: encoded.ids };
      states.push(await this.#network.run({ [this.#input]: input }, this.#output));
    }
    return { states, warnings: toWarnings([...unknownWords], truncated) };
  }
}

function toWarnings(unknownWords: readonly string[], truncated: boolean): string[] {
  const more = unknownWords.length > MAX_NAMED_WORDS ? ", …" : "";
  return [
    ...(unknownWords.length > 0 ? [`not understood: ${unknownWords.slice(0, MAX_NAMED_WORDS).join(", ")}${more}`] : []),
    ...(truncated ? ["the prompt is too long for the model; its end was not used"] : []),
  ];
}
