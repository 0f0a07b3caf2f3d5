/** A clause of the specification: what the server promises, in one sentence. */
export interface Requirement {
  readonly id: string;
  readonly text: string;
}

const clauses = (area: string, texts: readonly string[]): Requirement[] =>
  texts.map((text, index) => ({ id: `${area}-${index + 1}`, text }));

/**
 * Every clause of the specification. A test cites the clauses it proves in a comment: `// Proves: STORAGE-1, STORAGE-2`.
 * `requirements.test.ts` fails on a clause that no test cites, and on a citation of a clause that does not exist.
 */
export const REQUIREMENTS: readonly Requirement[] = [
  ...clauses("STORAGE", [
    "saveImage(imageData, imageId, metadata) stores a picture and gives the path or key where it is",
    "getImage(imageId) gives exactly the saved bytes, or undefined for an unknown id",
    "deleteImage(imageId) gives true when it deleted the picture and false when there was none",
    "getImageUrl(imageId) gives a URL, or undefined for an unknown id",
    "listImages(prefix?) gives the metadata of pictures whose id starts with the prefix, newest first, at most 1,000",
    "cleanupExpiredImages(ttlSeconds) deletes pictures older than the time to live and gives how many",
    "FileStorage(basePath, baseUrl) creates its folder and keeps <id>.png beside <id>.json in time folders",
    "a record holds image_id, created_at, size, format and the generation metadata",
    "orphans, broken records and stray files never break a listing",
    "pictures survive a restart",
    "a save is atomic and durable: no half image is ever visible, no acknowledged image is lost by a kill",
    "S3Storage(bucket, prefix, endpointUrl, accessKeyId, secretAccessKey, regionName) keeps pictures in a bucket",
    "every storage, MockStorage too, passes testStorage()",
    "a hostile id or prefix reaches no file outside the root",
    "a full disk, a missing bucket or a removed folder is a StorageError with the reason, and nothing is half done",
    "MockStorage keeps images and metadata in memory, for tests to look at",
    "keepImage(imageId, keep) keeps a picture from expiry, cleanup and eviction in every process, and releases it again",
  ]),
  ...clauses("KSERVE", [
    "KServeClient(endpoint, modelName, timeout, maxRetries) accepts the endpoint in any usual form",
    "generateImage() gives verified bytes and the metadata of the generation",
    "a failed generation throws KServeError",
    "healthCheck() gives true for a ready or busy model and false otherwise, and never throws",
    "keys that are not set are omitted from the request, and null is never sent",
    "the request's Content-Type is exactly application/json",
    "a job that provably did not run is sent again, at most maxRetries times and within one deadline",
    "a job that may have run is never sent again",
    "an answer over the size limit, with bad base64 or a damaged picture is refused",
    "a key that the runtime refuses as unexpected is dropped, remembered per model, and the job sent once more",
    "metadata.seed is the number used, and seed_report says what was requested, sent, echoed and honoured",
    "the model server's error text is passed on in our own words only",
    "MockKServeClient records generateImageCalls and obeys mockResponse and shouldFail",
    "the defaults are a timeout of 60 seconds and 3 retries",
  ]),
  ...clauses("TOOL", [
    "the tool is named generate_image and has the specified parameters, limits and defaults",
    "execute() gives url, image_id and metadata",
    "an argument that is not valid is a result with isError that names the field, and the model is not called",
    "a call with a progress token gets progress notifications",
    "a cancelled call ends and frees its place",
    "the tool works over stdio",
    "the tool works over Streamable HTTP at /mcp in the 2025-11-25 protocol, with sessions that are capped and expire",
    "the tool works over Streamable HTTP at /mcp in the 2026-07-28 protocol, on the same URL",
    "the answer carries the same JSON as structured content and as text, a link, and never the picture itself",
  ]),
  ...clauses("SETTINGS", [
    "every setting is read from its environment variable, with the specified default",
    "settings are read from .env too; the environment wins; unknown names in .env are ignored",
    "names are accepted in any case, and a comment may follow a value in .env",
    "serve refuses to start without KSERVE_ENDPOINT and names it",
    "all faults are reported at once, each with name, value, rule and example, and secrets are masked",
    "a number that is not plain decimal is refused",
    "an empty variable means unset, except S3_PREFIX, where it means no prefix",
    "STORAGE_BACKEND=s3 needs S3_BUCKET; static keys are optional",
    "a secret may come from a file named by its _FILE variant",
  ]),
  ...clauses("HTTP", [
    "GET /images/{image_id} gives the picture with its content type",
    "GET /images/{image_id} of an unknown id is 404 with error image_not_found",
    "GET /images/?prefix=&limit=100 gives an array of metadata with image_id, url, created_at and size",
    "a limit outside 1..1000 is a client error that names the field",
    "GET /images/{id}/metadata gives the metadata of a picture",
    "DELETE /images/{id} gives {message, image_id, deleted: true} and answers loopback clients only",
    "POST /images/cleanup gives {message, deleted_count, ttl_seconds} and answers loopback clients only",
    "GET /health gives {service, kserve, storage, timestamp}, always 200 and always fast",
    "GET /metrics gives Prometheus text",
    "GET /openapi.json and GET /docs describe the routes",
    "a picture is served with ETag, 304, HEAD, Range and nosniff, and cached no longer than it lives",
    "{id} and {id}.png both work",
    "URLs come from PUBLIC_BASE_URL or the listen address with a loopback name, never from the Host header",
    "a foreign Host or Origin is refused on every route",
    "an expired picture is 404 even before a cleanup",
  ]),
  ...clauses("ERRORS", [
    "StorageError, KServeError, ValidationError and ConfigurationError are MCPImageErrors with a code of one closed list",
    "each code has one HTTP status, one advice to retry and public words, and docs/errors.md is printed from that table",
  ]),
  ...clauses("CLEANUP", [
    "CleanupTask(storage, interval, ttl) cleans at the interval between start() and stop()",
    "a cycle never overlaps another",
    "the loop survives a failing cycle",
    "stop() returns when the cycle has ended",
    "runCleanup() runs one cycle; running and task tell the state",
  ]),
  ...clauses("LOGS", [
    "getLogger(name) binds service and component; a call writes one JSON line with level, timestamp and event on stderr",
    "a secret never appears in a log line",
  ]),
  ...clauses("ENGINE", [
    "KSERVE_ENDPOINT=embedded draws with the built-in engine through the same client",
    "the same seed gives the same bytes, another seed another picture",
    "width and height, steps, guidance and negative prompt do what they say",
    "the engine command serves one model over KServe's V1 and V2 protocols, and ends what it draws on SIGTERM",
    "callers who leave and executors that die cost one picture each, and the next is drawn at once",
    "models are listed, described, checked, and fetched from a hub with resume and checksums",
    "the shipped model keeps the scores that its documentation states",
  ]),
  ...clauses("CLI", [
    "serve, stdio, generate, config, healthcheck, cleanup, --help and --version work",
    "a configuration fault exits with 78, wrong usage with 64",
    "SIGTERM ends an idle server within 5 seconds with exit code 0",
    "started on too old a Node it says in one line what it needs",
    "doctor says of everything that a picture needs how it is and what to do, and exits with 0, 69 or 78",
  ]),
];
