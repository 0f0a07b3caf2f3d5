/** What to draw; an absent field means the model's own default. */
export interface GenerationRequest {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Pixels. */
  readonly width?: number;
  /** Pixels. */
  readonly height?: number;
  readonly numInferenceSteps?: number;
  readonly guidanceScale?: number;
  readonly seed: number;
}
