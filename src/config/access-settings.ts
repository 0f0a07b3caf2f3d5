import { algorithmList, apiKeys, audienceList, networkList, redisUrl } from "./access-kinds.ts";
import { choice, httpUrl, integer, issuerUrl } from "./setting-kinds.ts";
import type { SettingDefinition } from "./settings-table.ts";

/** The settings of who may call, and how often. */
export const ACCESS_SETTINGS = {
  AUTH_MODE: {
    group: "Access",
    description:
      "Who may call: everybody (`none`), clients with a key of `API_KEYS` (`token`), or those with an access token of `OAUTH_ISSUER` (`oauth`). Setting `none` says that you mean it.",
    kind: choice(["none", "token", "oauth"]),
    default: "none",
  },
  API_KEYS: {
    group: "Access",
    description: "Keys of API clients, for `token`; without scopes a key may generate, read and delete.",
    kind: apiKeys(),
    example: "alice:2VvqnQxGQwJqXbXGJ5yD4w,ops:Zk0cYy7oV8wq1m3rQe5tUg:admin",
    secret: true,
  },
  OAUTH_ISSUER: {
    group: "Access",
    description: "Issuer of access tokens, for `oauth`: its URL exactly as it stands in the tokens.",
    kind: issuerUrl(),
    example: "https://login.example.com/realms/company",
  },
  OAUTH_JWKS_URL: {
    group: "Access",
    description: "Where the public keys of the issuer are. Unset: where its metadata says.",
    kind: httpUrl(),
    example: "https://login.example.com/realms/company/protocol/openid-connect/certs",
  },
  OAUTH_AUDIENCE: {
    group: "Access",
    description: "What a token must be for, one of these. Unset: `PUBLIC_BASE_URL`, with or without `/mcp`.",
    kind: audienceList(),
    example: "https://images.example.com/mcp",
  },
  OAUTH_ALGORITHMS: {
    group: "Access",
    description: "Algorithms that a token may be signed with.",
    kind: algorithmList(),
    default: "RS256,PS256,ES256,EdDSA",
  },
  OAUTH_CLOCK_SKEW: {
    group: "Access",
    description: "Seconds by which the clocks of issuer and server may differ.",
    kind: integer({ min: 0, max: 300 }),
    default: "30",
  },
  IMAGE_SHARING: {
    group: "Access",
    description:
      "With authentication, who sees a picture beside its owner and an admin: nobody (`private`), whoever has its URL (`link`), or everybody who may read (`shared`).",
    kind: choice(["private", "link", "shared"]),
    default: "private",
  },
  TRUSTED_PROXIES: {
    group: "Access",
    description:
      "Proxies whose `X-Forwarded-For` is believed, as addresses or networks; of others it is not, and they count as one client.",
    kind: networkList(),
    example: "10.0.0.0/8,fd00::/8",
  },
  LIMIT_JOBS_PER_MINUTE: {
    group: "Limits",
    description: "Jobs that one client may begin in a minute. Unset: any number.",
    kind: integer({ min: 1, max: 100_000 }),
    example: "10",
  },
  LIMIT_JOBS_PER_DAY: {
    group: "Limits",
    description: "Jobs that one client may begin in a day. Unset: any number.",
    kind: integer({ min: 1, max: 10_000_000 }),
    example: "500",
  },
  LIMIT_JOBS_AT_ONCE: {
    group: "Limits",
    description: "Jobs of one client that may run or wait at once. Unset: any number.",
    kind: integer({ min: 1, max: 10_000 }),
    example: "4",
  },
  REDIS_URL: {
    group: "Limits",
    description:
      "Redis or Valkey in which all replicas count together, and through which they tell each other's clients what changes; as a library, needs the package `@redis/client`. Unset: each counts and tells alone.",
    kind: redisUrl(),
    example: "redis://redis.tools.svc:6379/0",
    secret: true,
  },
  LIMITS_ON_REDIS_FAILURE: {
    group: "Limits",
    description: "While Redis fails: count in each replica alone (`local`), or answer `limits_unavailable` (`refuse`).",
    kind: choice(["local", "refuse"]),
    default: "local",
  },
} as const satisfies Record<string, SettingDefinition>;
