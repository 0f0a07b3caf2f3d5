/** Something that is loaded when it is first needed, and then once; after a failure the next use tries again. */
export class OnFirstUse<Value> {
  readonly #load: () => Promise<Value>;
  #loading: Promise<Value> | undefined;
  #value: Value | undefined;

  constructor(load: () => Promise<Value>) {
    this.#load = load;
  }

  /** `undefined` until it is loaded. */
  get value(): Value | undefined {
    return this.#value;
  }

  /** True while it loads and when it is loaded. */
  get isWanted(): boolean {
    return this.#loading !== undefined;
  }

  async load(): Promise<Value> {
    this.#loading ??= this.#loadOnce();
    return this.#loading;
  }

  /** Waits for what somebody else began to load; `undefined` when nobody has, or it could not be loaded. */
  async settle(): Promise<Value | undefined> {
    return this.#loading?.catch(() => undefined);
  }

  async #loadOnce(): Promise<Value> {
    try {
      this.#value = await this.#load();
      return this.#value;
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
  }
}
