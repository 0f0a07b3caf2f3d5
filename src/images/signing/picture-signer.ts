import { toSigningEnd } from "../../config/check-signing.ts";
import type { SigningSettings } from "../../config/settings.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { ConfigurationError, MCPImageError } from "../../core/errors.ts";
import { isSigned } from "../../core/is-signed.ts";
import { OnFirstUse } from "../../core/on-first-use.ts";
import { encodePng } from "../../core/png.ts";
import type { C2paWriter, Picture } from "./c2pa.ts";
import { loadC2pa, type C2pa } from "./load-c2pa.ts";

export interface PictureSignerOptions {
  readonly settings: SigningSettings;
  /** Of this server. */
  readonly version: string;
  readonly clock?: Clock;
  /** Gives what uses the optional package. */
  readonly load?: () => Promise<C2pa>;
}

/** The extended key usage of claim signers. */
const C2PA_USAGE = "1.3.6.1.4.1.62558.2.1";
const SOFTWARE = "mcp-image-server";

/** Signs pictures as C2PA says, with the optional package c2pa-ts, which is loaded on first use. */
export class PictureSigner {
  /** When no more picture can be signed. */
  readonly end: Date;
  readonly #isForC2paAlone: boolean;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #c2pa: OnFirstUse<{ readonly writer: C2paWriter; readonly readManifest: C2pa["readManifest"] }>;

  constructor({ settings, version, clock = systemClock, load = loadC2pa }: PictureSignerOptions) {
    this.end = toSigningEnd(settings);
    this.#isForC2paAlone = settings.certificates[0]?.keyUsage?.every((usage) => usage === C2PA_USAGE) ?? false;
    this.#version = version;
    this.#clock = clock;
    this.#c2pa = new OnFirstUse(async () => {
      const c2pa = await load();
      return { writer: new c2pa.C2paWriter(settings), readManifest: c2pa.readManifest };
    });
  }

  /**
   * Signs a picture of one pixel to see that every picture can be signed.
   *
   * @throws {ConfigurationError} `configuration_invalid` when the package is missing, or C2PA does not take the certificate
   */
  async check(): Promise<void> {
    const { writer, readManifest } = await this.#c2pa.load();
    const picture = { format: "png", bytes: encodePng({ width: 1, height: 1, rgb: new Uint8Array(3) }) } as const;
    const bytes = await this.#write(writer, picture, "check");
    const { failures, certificateFailures } = await readManifest({ format: "png", bytes });
    // The package does not know C2PA's own usage yet, and refuses what has no other one.
    const faults = this.#isForC2paAlone ? failures : [...failures, ...certificateFailures];
    if (faults.length === 0) return;
    const hint = "Ask its authority for a certificate as C2PA wants it; docs/security.md says what that is";
    throw new ConfigurationError("configuration_invalid", `C2PA refuses C2PA_SIGN_CERT: ${faults.join(", ")}`, {
      details: { hint },
    });
  }

  /**
   * A verified picture, signed; one that is signed already stays as it is.
   *
   * @throws {MCPImageError} `signing_failed`
   * @throws {ConfigurationError} `configuration_invalid` when the package is missing
   */
  async sign(picture: Picture, modelName: string): Promise<Buffer> {
    if (isSigned(picture.format, picture.bytes)) return picture.bytes;
    if (this.#clock.nowMs() >= this.end.getTime()) {
      throw new MCPImageError(
        "signing_failed",
        `Cannot sign the picture: C2PA_SIGN_CERT ended ${this.end.toISOString()}`,
      );
    }
    const { writer } = await this.#c2pa.load();
    try {
      return await this.#write(writer, picture, modelName);
    } catch (error) {
      throw new MCPImageError("signing_failed", "Cannot sign the picture", { cause: error });
    }
  }

  async #write(writer: C2paWriter, picture: Picture, modelName: string): Promise<Buffer> {
    return writer.write(picture, { generator: { name: SOFTWARE, version: this.#version }, modelName });
  }
}
