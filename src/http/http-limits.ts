/** How much one client may take of the server, and for how long. */
export interface HttpLimits {
  /** From the start of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the start of a request to its last byte. */
  readonly requestTimeoutMs: number;
  readonly connectionsCheckingIntervalMs: number;
  /** Longer than a load balancer keeps idle connections (60 s is usual), or it meets closed ones. */
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** Of a request that is not MCP; MCP has its own limit. */
  readonly maxBodyBytes: number;
  readonly maxConnections: number;
  /** Of pictures kept in memory. */
  readonly cacheBytes: number;
  /** Larger pictures are not kept in memory. A picture of 1024 by 1024 pixels has about 2 MB as PNG. */
  readonly cachePictureBytes: number;
  /** Of pictures on their way to clients that are not kept in memory; further ones are read in parts of 64 KiB. */
  readonly sendingBytes: number;
  /** Without a byte taken for so long, a client is cut off. */
  readonly stallTimeoutMs: number;
  /** How late a deletion by another process may be seen. */
  readonly cacheRevalidateMs: number;
  /** Of thumbnails and converted pictures kept in memory. */
  readonly thumbnailCacheBytes: number;
  readonly healthCacheMs: number;
  readonly healthTimeoutMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  headersTimeoutMs: 8_000,
  requestTimeoutMs: 10_000,
  connectionsCheckingIntervalMs: 1_000,
  keepAliveTimeoutMs: 75_000,
  maxHeaderBytes: 16 * KIB,
  maxBodyBytes: MIB,
  maxConnections: 10_000,
  cacheBytes: 64 * MIB,
  cachePictureBytes: 4 * MIB,
  sendingBytes: 32 * MIB,
  stallTimeoutMs: 60_000,
  cacheRevalidateMs: 2_000,
  thumbnailCacheBytes: 16 * MIB,
  healthCacheMs: 3_000,
  healthTimeoutMs: 1_000,
};
