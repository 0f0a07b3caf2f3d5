import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FakeFace } from "./fake-faces.ts";
import { drawTestPicture } from "./test-picture.ts";

export interface FakeAnswer {
  readonly status: number;
  /** Default: `content-type: application/json`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** What the next prediction does; without a script every one draws. */
export type FakeBehaviour =
  | { readonly kind: "draw"; readonly prediction?: Readonly<Record<string, unknown>> }
  /** Draws, and answers with what this makes of the picture's base64. */
  | { readonly kind: "shape"; readonly toBody: (base64: string) => string | Buffer }
  | { readonly kind: "answer"; readonly answer: FakeAnswer }
  /** Draws, or gives this answer, when `release()` is called. */
  | { readonly kind: "hold"; readonly answer?: FakeAnswer }
  /** Never answers. */
  | { readonly kind: "hang" }
  /** Breaks the connection after this part of the answer; 0 means before its head. */
  | { readonly kind: "reset"; readonly afterFraction: number }
  /** Falls silent after this part of the answer. */
  | { readonly kind: "stall"; readonly afterFraction: number }
  /** Sends this many bytes per turn of the event loop. */
  | { readonly kind: "drip"; readonly chunkBytes: number }
  /** Ends the answer early, without a content-length that would tell. */
  | { readonly kind: "truncate"; readonly afterFraction: number };

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface FakeKServeRuntimeOptions {
  /** Default `["model"]`, which is KServe's own default. */
  readonly modelNames?: readonly string[];
  /**
   * How the pipeline takes a seed: `stable-diffusion` swallows and ignores it, `stable-diffusion-3` refuses it as an
   * unknown keyword (and wants sizes divisible by 16), `echo` uses it and says so. Default `stable-diffusion`.
   */
  readonly pipeline?: "stable-diffusion" | "stable-diffusion-3" | "echo";
  /** Another server in this one's place, which draws what a `FakeFace` says; scripts may answer for it. */
  readonly face?: FakeFace;
  /** Where to listen; default a free port on 127.0.0.1. */
  readonly socketPath?: string;
}

/** How the readiness routes behave. `hang`: they accept and stay silent. */
export type FakeReadiness = "ready" | "not_ready" | "hang" | "no_route";

/** A server on a real socket that answers as KServe's model server with a diffusers pipeline does, case by case. */
export class FakeKServeRuntime implements AsyncDisposable {
  readonly requests: RecordedRequest[] = [];
  readiness: FakeReadiness = "ready";
  /** True: while a prediction is held, every GET waits too, as with a synchronous `predict`. */
  freezesWhileDrawing = false;
  /**
   * How long a picture takes. Above 0 they are drawn one after another, also for callers that have gone, and every GET
   * waits for all that were asked for before it.
   */
  drawMs = 0;
  /** The most predictions that were at the server at once. */
  mostAtOnce = 0;
  /** How many connections were accepted. */
  connectionCount = 0;
  readonly #modelNames: readonly string[];
  readonly #pipeline: NonNullable<FakeKServeRuntimeOptions["pipeline"]>;
  readonly #socketPath: string | undefined;
  readonly #face: FakeFace | undefined;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #script: FakeBehaviour[] = [];
  readonly #waiters = new Set<() => void>();
  #held = Promise.withResolvers<void>();
  #holding = 0;
  #atOnce = 0;
  #drawing: Promise<unknown> = Promise.resolve();

  private constructor(options: FakeKServeRuntimeOptions) {
    this.#modelNames = options.modelNames ?? ["model"];
    this.#pipeline = options.pipeline ?? "stable-diffusion";
    this.#socketPath = options.socketPath;
    this.#face = options.face;
    this.#server.on("connection", () => {
      this.connectionCount += 1;
    });
  }

  static async start(options: FakeKServeRuntimeOptions = {}): Promise<FakeKServeRuntime> {
    const runtime = new FakeKServeRuntime(options);
    const { promise, resolve } = Promise.withResolvers<void>();
    if (options.socketPath === undefined) runtime.#server.listen(0, "127.0.0.1", resolve);
    else runtime.#server.listen(options.socketPath, resolve);
    await promise;
    return runtime;
  }

  /** The base URL, without a trailing slash. */
  get url(): string {
    if (this.#socketPath !== undefined) return "http://localhost";
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The predictions that were asked for. */
  get posts(): RecordedRequest[] {
    return this.requests.filter((request) => request.method === "POST");
  }

  /** The first instance of every prediction, parsed. */
  get instances(): Record<string, unknown>[] {
    return this.posts.map((post) => (JSON.parse(post.body) as { instances: [Record<string, unknown>] }).instances[0]);
  }

  /** True while a prediction is at the server, wanted or not. */
  get isDrawing(): boolean {
    return this.#atOnce > 0;
  }

  /** Sets what the next predictions do, one each. */
  script(...behaviours: FakeBehaviour[]): void {
    this.#script.push(...behaviours);
  }

  /** Lets every held prediction draw. */
  release(): void {
    this.#held.resolve();
    this.#held = Promise.withResolvers();
  }

  /** Resolves as soon as `count` requests of this method have arrived. */
  async waitForRequests(method: "GET" | "POST", count = 1): Promise<void> {
    while (this.requests.filter((request) => request.method === method).length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      await promise;
      this.#waiters.delete(resolve);
    }
  }

  async close(): Promise<void> {
    this.release();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => undefined);
    const body = await readBody(request);
    const { method = "", url: path = "", headers } = request;
    this.requests.push({ method, path, headers, body });
    for (const wake of this.#waiters) wake();
    if (this.#face) this.#serveFace(this.#face, { method, path, body }, response);
    else if (method === "POST") await this.#servePost(path, headers, body, response);
    else await this.#serveGet(path, response);
  }

  #serveFace(
    face: FakeFace,
    request: Pick<RecordedRequest, "method" | "path" | "body">,
    response: ServerResponse,
  ): void {
    const behaviour = request.method === "POST" ? this.#script.shift() : undefined;
    if (behaviour?.kind === "hang" || (request.method === "GET" && this.readiness === "hang")) return;
    send(response, behaviour?.kind === "answer" ? behaviour.answer : face(request));
  }

  async #serveGet(path: string, response: ServerResponse): Promise<void> {
    if (this.readiness === "hang") return;
    if (this.freezesWhileDrawing && this.#holding > 0) await this.#held.promise;
    if (this.drawMs > 0) await this.#drawing;
    send(response, this.#answerGet(path));
  }

  #answerGet(path: string): FakeAnswer {
    if (path === "/") return json(200, { status: "alive" });
    if (path === "/v2") {
      return json(200, { name: "kserve", version: "0.20.0", extensions: ["model_repository_extension"] });
    }
    if (path === "/v2/health/live") return json(200, { live: true });
    if (path === "/v2/health/ready") return json(200, { ready: true });
    if (path === "/v1/models" || path === "/v2/models") return json(200, { models: this.#modelNames });
    if (path.length > 1 && path.endsWith("/")) {
      return { status: 307, headers: { location: path.slice(0, -1) }, body: "" };
    }
    const [, version, name, more = ""] = /^\/(v[12])\/models\/([^/]+)(\/ready)?$/.exec(path) ?? [];
    if (name === undefined || (version === "v1" && more !== "") || this.readiness === "no_route")
      return json(404, { detail: "Not Found" });
    const modelName = decodeURIComponent(name);
    if (!this.#modelNames.includes(modelName)) return unknownModel(modelName);
    if (this.readiness === "not_ready") return json(503, { error: `Model with name ${modelName} is not ready.` });
    // A model that is made for V1 has these routes too, and says nothing of its tensors.
    const isMetadata = version === "v2" && more === "";
    if (isMetadata) return json(200, { name: modelName, versions: null, platform: "", inputs: [], outputs: [] });
    return json(200, { name: modelName, ready: true });
  }

  async #servePost(path: string, headers: IncomingHttpHeaders, body: string, response: ServerResponse): Promise<void> {
    const name = /^\/v1\/models\/([^/]+?)(?::|%3A)predict$/.exec(path)?.[1];
    if (name === undefined) {
      const isV2 = /^\/v2\/models\/[^/]+\/infer$/.test(path);
      send(response, isV2 ? json(400, { error: "v2 protocol not implemented" }) : json(404, { detail: "Not Found" }));
      return;
    }
    const modelName = decodeURIComponent(name);
    const behaviour = this.#script.shift() ?? { kind: "draw" };
    if (behaviour.kind === "hang") return;
    if (behaviour.kind === "answer") {
      send(response, behaviour.answer);
      return;
    }
    const refusal = this.#refuse(modelName, headers, body);
    if (refusal) {
      send(response, refusal);
      return;
    }
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    if (this.drawMs > 0) await this.#takeTurn();
    await this.#draw(behaviour, body, response);
    this.#atOnce -= 1;
  }

  async #takeTurn(): Promise<void> {
    const turn = this.#drawing.then(async () => delay(this.drawMs));
    this.#drawing = turn;
    await turn;
  }

  async #draw(behaviour: DrawingBehaviour, body: string, response: ServerResponse): Promise<void> {
    const instance = readInstance(body);
    if (behaviour.kind === "hold") {
      this.#holding += 1;
      await this.#held.promise;
      this.#holding -= 1;
      if (behaviour.answer) {
        send(response, behaviour.answer);
        return;
      }
    }
    const extra = behaviour.kind === "draw" ? behaviour.prediction : undefined;
    const base64 = drawTestPicture(instance).toString("base64");
    const echo = this.#pipeline === "echo" ? { seed: instance.seed } : {};
    const prediction = { model_name: "/mnt/models", prompt: instance.prompt, ...echo, ...extra };
    const answer =
      behaviour.kind === "shape"
        ? Buffer.from(behaviour.toBody(base64))
        : Buffer.from(JSON.stringify({ predictions: [{ ...prediction, image: { format: "PNG", b64: base64 } }] }));
    await deliver(response, behaviour, answer);
  }

  /** The answer of the real server to a request that it does not take; `undefined` for one that it does. */
  #refuse(modelName: string, headers: IncomingHttpHeaders, body: string): FakeAnswer | undefined {
    if (!this.#modelNames.includes(modelName)) return unknownModel(modelName);
    const contentType = headers["content-type"];
    if (contentType !== undefined && contentType !== "application/json") return json(400, { error: "invalid payload" });
    let document: { readonly instances?: readonly unknown[] };
    try {
      document = JSON.parse(body) as typeof document;
    } catch {
      return json(400, { error: "Unrecognized request format: unexpected character: line 1 column 1 (char 0)" });
    }
    if (document.instances === undefined) return json(400, { error: "invalid payload" });
    if (document.instances.length === 0) return json(500, { error: "IndexError : list index out of range" });
    return this.#refuseInstance(readInstance(body));
  }

  #refuseInstance(instance: Instance): FakeAnswer | undefined {
    const isThird = this.#pipeline === "stable-diffusion-3";
    const { prompt, width = 512, height = 512, guidance_scale: guidanceScale } = instance;
    if (prompt === undefined) return failed("Missing required parameter: prompt");
    if (isThird && "seed" in instance) {
      return failed("StableDiffusion3Pipeline.__call__() got an unexpected keyword argument 'seed'");
    }
    if (guidanceScale === null) return failed("'>' not supported between instances of 'NoneType' and 'int'");
    const multiple = isThird ? 16 : 8;
    if (width % multiple === 0 && height % multiple === 0) return undefined;
    return failed(`\`height\` and \`width\` have to be divisible by ${multiple} but are ${height} and ${width}.`);
  }
}

type DrawingBehaviour = Exclude<FakeBehaviour, { readonly kind: "hang" | "answer" }>;

interface Instance {
  readonly prompt: string;
  readonly width?: number;
  readonly height?: number;
  readonly guidance_scale?: number | null;
  readonly seed?: number;
}

function readInstance(body: string): Instance {
  return (JSON.parse(body) as { instances: [Instance] }).instances[0];
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function deliver(response: ServerResponse, behaviour: DrawingBehaviour, answer: Buffer): Promise<void> {
  const head = { "content-type": "application/json" };
  switch (behaviour.kind) {
    case "reset":
    case "stall": {
      if (behaviour.afterFraction > 0) {
        response.writeHead(200, { ...head, "content-length": answer.length });
        await write(response, answer.subarray(0, Math.floor(answer.length * behaviour.afterFraction)));
      }
      if (behaviour.kind === "reset") response.socket?.resetAndDestroy();
      return;
    }
    case "truncate":
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, { ...head, connection: "close" });
      response.end(answer.subarray(0, Math.floor(answer.length * behaviour.afterFraction)));
      return;
    case "drip":
      response.writeHead(200, head);
      for (let offset = 0; offset < answer.length; offset += behaviour.chunkBytes) {
        await write(response, answer.subarray(offset, offset + behaviour.chunkBytes));
      }
      response.end();
      return;
    case "draw":
    case "hold":
    case "shape":
      send(response, { status: 200, headers: head, body: answer });
  }
}

/** Resolves when the bytes were handed to the system, so that pieces stay pieces. */
async function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.write(bytes, () => resolve());
  await promise;
}

function send(response: ServerResponse, answer: FakeAnswer): void {
  const headers: Record<string, string> = { "content-type": "application/json", ...answer.headers };
  if (!("transfer-encoding" in headers)) headers["content-length"] = String(Buffer.byteLength(answer.body));
  response.writeHead(answer.status, headers);
  response.end(answer.body);
}

function json(status: number, body: unknown): FakeAnswer {
  return { status, body: JSON.stringify(body) };
}

function unknownModel(modelName: string): FakeAnswer {
  return json(404, { error: `Model with name ${modelName} does not exist.` });
}

/** The runtime wraps every failure of a pipeline in this. */
function failed(reason: string): FakeAnswer {
  return json(400, { error: `Prediction failed: ${reason}` });
}
