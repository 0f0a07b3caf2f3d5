import type { Clock } from "../core/clock.ts";
import type { V1OptionalKey } from "../wire/v1.ts";

/** What a model's answers have taught us of its code. */
export interface LearnedModel {
  readonly refusedKeys: Set<V1OptionalKey>;
  /** Width and height must be multiples of it. */
  sizeMultiple: number;
  wantsScheduler: boolean;
}

/** A model may be replaced under its name, and learning costs one quick refusal. */
const KEPT_MS = 3_600_000;
/** Names come from the endpoint. */
const MAX_MODELS = 100;

/** Remembers for an hour what each model refused. */
export class LearnedModels {
  readonly #clock: Clock;
  readonly #models = new Map<string, { readonly model: LearnedModel; readonly endsAtMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(modelName: string): LearnedModel {
    const known = this.#models.get(modelName);
    const nowMs = this.#clock.monotonicMs();
    if (known !== undefined && nowMs < known.endsAtMs) return known.model;
    if (this.#models.size >= MAX_MODELS) this.#models.clear();
    const model: LearnedModel = { refusedKeys: new Set(), sizeMultiple: 1, wantsScheduler: false };
    this.#models.set(modelName, { model, endsAtMs: nowMs + KEPT_MS });
    return model;
  }
}
