/** The client of text-to-image models behind KServe. */
export { KServeClient, type KServeClientOptions } from "./kserve/kserve-client.ts";
export type { CircuitState, UpstreamObserver } from "./kserve/upstream-observer.ts";
export type { V2Mapping } from "./config/v2-mapping.ts";
export type { ModelDescription } from "./kserve/served-model.ts";
export type {
  GeneratedImage,
  GenerateImageOptions,
  GenerateImageRequest,
  GenerationMetadata,
  GenerationProgress,
  ImageGenerator,
  SeedReport,
  Upstream,
  WaitUntilIdleOptions,
} from "./kserve/generated-image.ts";
export { KServeError, ConfigurationError } from "./core/errors.ts";
