import type { ProtocolName } from "../../config/settings.ts";
import type { V1Instance } from "../../wire/v1.ts";

/** One job as it goes on the wire. */
export interface ProtocolJob {
  readonly path: string;
  /** JSON. */
  readonly body: string;
  /** True where the answer may be pixels, which take more room than a file. */
  readonly mayBePixels: boolean;
  /** The output of the answer that holds the picture, where that is known. */
  readonly outputName: string | undefined;
}

/** How a model server is spoken to; every answer is read by the same decoder. */
export interface ModelProtocol {
  readonly name: ProtocolName;
  /** The models served. */
  readonly listPath: string;
  /** Answers 2xx when the model is ready. */
  toReadinessPath(modelName: string): string;
  /**
   * @throws {RefusedKeyError} for a parameter that the model has no place for
   * @throws {UpstreamError} `upstream_rejected` when the model cannot take the job at all
   */
  toJob(modelName: string, instance: V1Instance): ProtocolJob;
  /** Leaves out a key of the protocol's own that the server refused; false when it has none of this name. */
  leaveOut(key: string): boolean;
}
