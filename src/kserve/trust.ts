import { X509Certificate } from "node:crypto";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import { KServeError } from "../core/errors.ts";
import { getLogger } from "../logging/logger.ts";
import { FreshFile } from "./fresh-file.ts";

export interface TrustOptions {
  /** PEM; trusted beside the roots of the system. */
  readonly caFile?: string | undefined;
  /** PEM; our own certificate, for endpoints that ask for one. Needs `clientKeyFile`. */
  readonly clientCertFile?: string | undefined;
  /** PEM. */
  readonly clientKeyFile?: string | undefined;
}

const logger = getLogger("kserve");

/** Whom we trust, and who we are, over TLS; follows the files as they are rewritten. */
export class Trust {
  readonly #files: readonly (FreshFile | undefined)[];
  #texts: readonly (string | undefined)[] = [];
  #context: SecureContext | undefined;

  constructor({ caFile, clientCertFile, clientKeyFile }: TrustOptions) {
    this.#files = [
      toFile("KSERVE_CA_FILE", caFile),
      toFile("KSERVE_CLIENT_CERT_FILE", clientCertFile),
      toFile("KSERVE_CLIENT_KEY_FILE", clientKeyFile),
    ];
  }

  /** `undefined`: Node's own context does. @throws {KServeError} `configuration_invalid` naming the settings */
  async read(): Promise<SecureContext | undefined> {
    if (this.#files.every((file) => file === undefined)) return undefined;
    const texts = await Promise.all(this.#files.map(async (file) => file?.read()));
    if (this.#context !== undefined && texts.every((text, index) => text === this.#texts[index])) return this.#context;
    const [ca, cert, key] = texts;
    try {
      // Of authorities, what is no certificate would be passed over in silence.
      if (ca !== undefined) void new X509Certificate(ca);
      this.#context = createSecureContext({
        // What is given here replaces the roots, so they are given too.
        ...(ca !== undefined && { ca: [...getCACertificates("default"), ca] }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
      });
      this.#texts = texts;
    } catch (error) {
      // A certificate and its key are rewritten one after the other, and do not match for a moment.
      if (this.#context === undefined) throw unusable(error);
      logger.warn("kserve_certificates_not_used", { error });
    }
    return this.#context;
  }
}

function toFile(setting: string, path: string | undefined): FreshFile | undefined {
  return path === undefined ? undefined : new FreshFile(setting, path);
}

function unusable(cause: unknown): KServeError {
  return new KServeError(
    "configuration_invalid",
    "Cannot generate the image: KSERVE_CA_FILE, KSERVE_CLIENT_CERT_FILE or KSERVE_CLIENT_KEY_FILE is no PEM, or the last two do not belong together",
    { details: { setting: "KSERVE_CLIENT_CERT_FILE" }, cause },
  );
}
