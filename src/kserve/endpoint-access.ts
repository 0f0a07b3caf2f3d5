import type { Secret } from "../core/secret.ts";
import type { TrustOptions } from "./trust.ts";

/** What it takes to get in at an endpoint. All of it is sent to that endpoint alone. */
export interface EndpointAccess extends TrustOptions {
  /** Sent as a bearer token. */
  readonly authToken?: Secret | undefined;
  /** A file with a bearer token, read again at each use; wins over `authToken`. */
  readonly authTokenFile?: string | undefined;
  /** Sent with every request; names in lower case. */
  readonly headers?: Readonly<Record<string, Secret>> | undefined;
  /** The Host header, where the address is not the name of the service. */
  readonly hostHeader?: string | undefined;
  /** The name asked for in TLS and expected in the certificate. Default: the one of the Host header. */
  readonly servername?: string | undefined;
  /** Accepts any certificate. */
  readonly insecureSkipVerify?: boolean | undefined;
}
