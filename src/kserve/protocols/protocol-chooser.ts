import type { ProtocolName } from "../../config/settings.ts";
import type { V2Mapping } from "../../config/v2-mapping.ts";
import { parseOpenAiModels } from "../../wire/openai.ts";
import { parseModelNames } from "../../wire/v1.ts";
import {
  parseV2ModelMetadata,
  parseV2ServerMetadata,
  toV2ModelPath,
  V2_PATH,
  type V2ModelMetadata,
} from "../../wire/v2.ts";
import { toAnswerError } from "../answer-error.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Answer } from "../exchange.ts";
import type { ModelProtocol } from "./model-protocol.ts";
import { createOpenAiProtocol } from "./openai-protocol.ts";
import { V1_PROTOCOL } from "./v1-protocol.ts";
import { createV2Protocol } from "./v2-protocol.ts";

export interface ProtocolChooserOptions {
  readonly endpoint: Pick<Endpoint, "modelVersion" | "apiPath">;
  /** `undefined`: find out. */
  readonly fixed: ProtocolName | undefined;
  readonly mapping: V2Mapping | undefined;
  readonly nowMs: () => number;
}

/** Sends a GET and gives its answer, whatever the status. */
export type AskServer = (path: string) => Promise<Answer>;

/** What kind of server it is; `kserve` speaks V1, V2 or both, and only the model tells which. */
interface ServerFacts {
  readonly kind: "kserve" | "v2" | "openai" | "unknown";
  /** As the first questions told it, so that it need not be asked again. */
  readonly names?: readonly string[] | undefined;
  readonly isOpenVino?: boolean;
  readonly hasBinaryExtension?: boolean;
}

const DEFAULT_API_PATH = "/v1";
const NOT_DESCRIBED: V2ModelMetadata = { inputs: [], outputs: [] };

/**
 * Finds out by GET which protocol a server speaks, when that is first needed, and remembers it: what `/v1/models` looks
 * like, then what `/v2` says, then whether the model describes its tensors.
 */
export class ProtocolChooser {
  readonly #options: ProtocolChooserOptions;
  readonly #chosen = new Map<string, ModelProtocol>();
  #server: ServerFacts | undefined;
  /** Set by the first picture, and by the one change of mind that is allowed. */
  #isSettled: boolean;

  constructor(options: ProtocolChooserOptions) {
    this.#options = options;
    this.#isSettled = options.fixed !== undefined;
  }

  /** The names of the models served; `undefined` when the server does not list them. @throws {UpstreamError} */
  async listModels(ask: AskServer): Promise<readonly string[] | undefined> {
    const isNew = this.#server === undefined;
    const server = await this.#identify(ask);
    if (isNew && server.names) return server.names;
    const text = await this.#read(ask, this.#withoutMetadata(server).listPath);
    return text === undefined ? undefined : parseModelNames(text);
  }

  /** The protocol for a model; asks only when it is not known yet. @throws {UpstreamError} */
  async choose(modelName: string, ask: AskServer): Promise<ModelProtocol> {
    const known = this.#chosen.get(modelName);
    if (known) return known;
    const server = await this.#identify(ask);
    const metadata = await this.#describe(server, modelName, ask);
    const protocol = this.#create(server, metadata ?? NOT_DESCRIBED);
    // A V2 model that is not loaded yet does not describe itself; it is asked again.
    if (metadata !== undefined || protocol.name !== "v2") this.#chosen.set(modelName, protocol);
    return protocol;
  }

  /** The protocol for a model as far as it is known without asking. */
  current(modelName: string): ModelProtocol {
    return this.#chosen.get(modelName) ?? this.#withoutMetadata(this.#server ?? { kind: this.#guess() });
  }

  /** The protocol has drawn a picture, so it is the right one. */
  settle(modelName: string, protocol: ModelProtocol): void {
    this.#chosen.set(modelName, protocol);
    this.#isSettled = true;
  }

  /**
   * The other of V1 and V2, once, for a server that has no route for the first; `undefined` when there is no other.
   * It is current from now on.
   */
  async fallBack(modelName: string, ask: AskServer): Promise<ModelProtocol | undefined> {
    const { name } = this.current(modelName);
    if (this.#isSettled || name === "openai") return undefined;
    this.#isSettled = true;
    const isV2 = name === "v2";
    const metadata = isV2 ? undefined : await this.#describe({ kind: "v2" }, modelName, ask).catch(() => undefined);
    const other = isV2 ? V1_PROTOCOL : this.#createV2(metadata ?? NOT_DESCRIBED, false);
    this.#chosen.set(modelName, other);
    return other;
  }

  /** Neither was right: the first stays. */
  undoFallBack(modelName: string, first: ModelProtocol): void {
    this.#chosen.set(modelName, first);
  }

  async #identify(ask: AskServer): Promise<ServerFacts> {
    this.#server ??= await this.#askForFacts(ask);
    return this.#server;
  }

  async #askForFacts(ask: AskServer): Promise<ServerFacts> {
    switch (this.#options.fixed) {
      case "v1":
        return { kind: "kserve" };
      case "v2":
        return { ...(await this.#askV2(ask)), kind: "v2" };
      case "openai":
        return { ...(await this.#askForModels(ask, this.#apiPath)), kind: "openai" };
      case undefined: {
        const facts = await this.#askForModels(ask, DEFAULT_API_PATH);
        return facts.kind === "unknown" ? this.#askV2(ask) : facts;
      }
    }
  }

  async #askForModels(ask: AskServer, apiPath: string): Promise<ServerFacts> {
    const text = (await this.#read(ask, `${apiPath}/models`)) ?? "";
    const models = parseOpenAiModels(text);
    if (models) return { kind: "openai", ...models };
    const names = parseModelNames(text);
    // OpenVINO Model Server has an empty list for models that are none of OpenAI's kind.
    return names === undefined || names.length === 0 ? { kind: "unknown" } : { kind: "kserve", names };
  }

  async #askV2(ask: AskServer): Promise<ServerFacts> {
    if (this.#options.fixed === "v2" && this.#options.mapping?.binary !== undefined) return { kind: "v2" };
    const metadata = parseV2ServerMetadata((await this.#read(ask, V2_PATH)) ?? "");
    if (metadata === undefined) return { kind: "unknown" };
    const hasBinaryExtension = metadata.extensions.includes("binary_tensor_data");
    return { kind: metadata.name === "kserve" ? "kserve" : "v2", hasBinaryExtension };
  }

  /** `undefined`: the model says nothing of itself. */
  async #describe(server: ServerFacts, modelName: string, ask: AskServer): Promise<V2ModelMetadata | undefined> {
    if (this.#options.fixed === "v1" || (server.kind !== "kserve" && server.kind !== "v2")) return undefined;
    const text = await this.#read(ask, toV2ModelPath(modelName, this.#options.endpoint.modelVersion));
    return text === undefined ? undefined : parseV2ModelMetadata(text);
  }

  #create(server: ServerFacts, metadata: V2ModelMetadata): ModelProtocol {
    switch (server.kind) {
      case "openai":
        return createOpenAiProtocol({ apiPath: this.#apiPath, isOpenVino: this.#isOpenVino(server) });
      case "v2":
        return this.#createV2(metadata, server.hasBinaryExtension ?? false);
      case "kserve":
        // KServe has V2 routes for every model; one that is made for V2 describes its tensors.
        return metadata.inputs.length > 0 ? this.#createV2(metadata, false) : V1_PROTOCOL;
      case "unknown":
        return V1_PROTOCOL;
    }
  }

  #createV2(metadata: V2ModelMetadata, hasBinaryExtension: boolean): ModelProtocol {
    const { mapping, endpoint } = this.#options;
    return createV2Protocol({ version: endpoint.modelVersion, metadata, mapping, hasBinaryExtension });
  }

  #withoutMetadata(server: ServerFacts): ModelProtocol {
    return this.#create(server, NOT_DESCRIBED);
  }

  #guess(): ServerFacts["kind"] {
    const { fixed } = this.#options;
    return fixed === undefined || fixed === "v1" ? "unknown" : fixed;
  }

  get #apiPath(): string {
    return this.#options.endpoint.apiPath ?? DEFAULT_API_PATH;
  }

  #isOpenVino(server: ServerFacts): boolean {
    return server.isOpenVino ?? this.#apiPath === "/v3";
  }

  /** The body of a 2xx answer; `undefined` when there is no such route. @throws {UpstreamError} for any other trouble */
  async #read(ask: AskServer, path: string): Promise<string | undefined> {
    const answer = await ask(path);
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    if (SAYS_NOTHING.has(answer.status)) return undefined;
    throw toAnswerError(answer, { modelName: "", instance: undefined, nowMs: this.#options.nowMs() });
  }
}

/** Servers without the route answer with one of these. */
const SAYS_NOTHING: ReadonlySet<number> = new Set([400, 404, 405, 500, 501]);
