import { MCPImageError, ValidationError } from "../core/errors.ts";
import type { ImageFormat } from "../core/image-format.ts";
import { OnFirstUse } from "../core/on-first-use.ts";
import { Semaphore } from "../core/semaphore.ts";
import { getLogger } from "../logging/logger.ts";

export interface PictureConverterOptions {
  /**
   * Conversions at the same time. sharp works on the four threads that reading files needs too: with eight at once a
   * read of 50 kB waits 270 ms instead of 0.4 ms, with two it waits no longer. Default 2.
   */
  readonly concurrency?: number;
  /** Conversions that may wait; one more is answered `thumbnails_busy`. Default 64. */
  readonly depth?: number;
  /** Gives the optional package; rejects when it is not installed. */
  readonly loadSharp?: () => Promise<SharpFactory>;
}

export interface ConversionRequest {
  readonly format: ImageFormat;
  /** Pixels of the longer edge; `undefined` keeps the size. A picture is never made larger. */
  readonly longestEdge: number | undefined;
}

/** The little of sharp that we use. */
export type SharpFactory = (imageData: Uint8Array, options: { limitInputPixels: number }) => SharpPicture;

interface SharpPicture {
  autoOrient(): SharpPicture;
  resize(options: { width: number; height: number; fit: "inside"; withoutEnlargement: true }): SharpPicture;
  /** XMP says that the picture was made by a model: no copy may lose that. */
  keepXmp(): SharpPicture;
  png(): SharpPicture;
  jpeg(options: { quality: number; mozjpeg: false }): SharpPicture;
  webp(options: { quality: number; effort: number }): SharpPicture;
  toBuffer(): Promise<Buffer>;
}

const DEFAULT_CONCURRENCY = 2;
const DEFAULT_DEPTH = 64;
/** A small file can name a huge picture. The largest that models draw today have 16 million. */
const MAX_PIXELS = 64_000_000;
const QUALITY = 80;
/** Measured: effort 4, the default, takes half as long again for some per cent fewer bytes. */
const WEBP_EFFORT = 1;
const BUSY_RETRY_SECONDS = 2;

const logger = getLogger("images");

/** Makes smaller pictures and other formats with the optional package sharp, which is loaded on first use. */
export class PictureConverter {
  readonly #turns: Semaphore;
  readonly #depth: number;
  /** Looked for again after a failure: it may be installed later. */
  readonly #sharp: OnFirstUse<SharpFactory>;

  constructor(options: PictureConverterOptions = {}) {
    this.#turns = new Semaphore(options.concurrency ?? DEFAULT_CONCURRENCY);
    this.#depth = options.depth ?? DEFAULT_DEPTH;
    const { loadSharp = importSharp } = options;
    this.#sharp = new OnFirstUse(async () =>
      loadSharp().catch((error: unknown) => {
        throw toUnavailable(error);
      }),
    );
  }

  /**
   * Converts what `load` gives, which is not called before its turn; `undefined` when that is `undefined`.
   *
   * @throws {MCPImageError} `thumbnails_unavailable` without sharp, `thumbnails_busy` when too many wait
   * @throws {ValidationError} `thumbnail_failed` for a picture that cannot be read or has too many pixels
   */
  async convert(load: () => Promise<Uint8Array | undefined>, request: ConversionRequest): Promise<Buffer | undefined> {
    const sharp = await this.#sharp.load();
    using _turn = await this.#takeTurn();
    const imageData = await load();
    return imageData && (await convertWith(sharp, imageData, request));
  }

  /** Whether sharp is installed, so that `convert` can work. Loads it. */
  async isAvailable(): Promise<boolean> {
    return this.#sharp.load().then(
      () => true,
      () => false,
    );
  }

  async #takeTurn(): Promise<Disposable> {
    if (this.#turns.isExhausted && this.#turns.waiting >= this.#depth) {
      throw new MCPImageError("thumbnails_busy", "Cannot convert a picture: too many wait already", {
        details: { retry_after_seconds: BUSY_RETRY_SECONDS },
      });
    }
    return this.#turns.acquire();
  }
}

async function convertWith(
  sharp: SharpFactory,
  imageData: Uint8Array,
  { format, longestEdge }: ConversionRequest,
): Promise<Buffer> {
  try {
    let picture = sharp(imageData, { limitInputPixels: MAX_PIXELS }).autoOrient();
    if (longestEdge !== undefined) {
      picture = picture.resize({ width: longestEdge, height: longestEdge, fit: "inside", withoutEnlargement: true });
    }
    return await encode(picture.keepXmp(), format).toBuffer();
  } catch (error) {
    logger.warn("thumbnail_failed", { error });
    throw new ValidationError("thumbnail_failed", "Cannot convert the picture", { cause: error });
  }
}

function encode(picture: SharpPicture, format: ImageFormat): SharpPicture {
  switch (format) {
    case "png":
      return picture.png();
    case "jpeg":
      return picture.jpeg({ quality: QUALITY, mozjpeg: false });
    case "webp":
      return picture.webp({ quality: QUALITY, effort: WEBP_EFFORT });
  }
}

async function importSharp(): Promise<SharpFactory> {
  const { default: sharp } = await import("sharp");
  sharp.cache(false); // holds on to memory that the next picture cannot use
  sharp.concurrency(1);
  return sharp;
}

function toUnavailable(error: unknown): MCPImageError {
  return new MCPImageError("thumbnails_unavailable", "Cannot load the optional package sharp", { cause: error });
}
