import type { AccessPolicy } from "../access/access-policy.ts";
import type { AuditedAct, AuditLog } from "../access/audit-log.ts";
import type { Caller, Principal } from "../access/principal.ts";
import type { GenerateImageRequest } from "../kserve/generated-image.ts";
import {
  DEFAULT_LIST_LIMIT,
  type FindImagesQuery,
  type ImageRecord,
  type StoredImage,
} from "../storage/abstract-storage.ts";
import type { GenerateImageResponse } from "./image-job.ts";
import type { GenerateOptions, PendingImage, WaitOptions } from "./image-jobs.ts";
import type { ImageMetadata, ImageService, MetadataPage, ReadyImage } from "./image-service.ts";
import type { JsonObject } from "../core/json.ts";
import { OWNER_KEY, ownerOf } from "./owner.ts";
import type { JobListener, RunningJob } from "./job-board.ts";
import type { ImageVariation, VariationOutcome } from "./variations.ts";

export interface OwnedImagesOptions {
  readonly images: Pick<
    ImageService,
    | "generate"
    | "vary"
    | "getMetadata"
    | "getImage"
    | "findPending"
    | "waitForImage"
    | "keepImage"
    | "listImages"
    | "deleteImage"
    | "cancelJob"
    | "jobs"
  >;
  readonly policy: AccessPolicy;
  readonly audit: AuditLog;
  readonly caller: Caller;
}

/** How often one listing asks the store again, when it found pictures of others. */
const MAX_ROUNDS = 10;

/**
 * The pictures as one caller may see and change them: those of others are not there. Each method asks for the scope
 * that it needs and throws `insufficient_scope` without it.
 */
export class OwnedImages {
  readonly #images: OwnedImagesOptions["images"];
  readonly #policy: AccessPolicy;
  readonly #audit: AuditLog;
  readonly #caller: Caller;

  constructor(options: OwnedImagesOptions) {
    this.#images = options.images;
    this.#policy = options.policy;
    this.#audit = options.audit;
    this.#caller = options.caller;
  }

  /** Generates a picture that the caller owns. @throws {MCPImageError} what `ImageService.generate` throws */
  async generate(
    request: GenerateImageRequest,
    options: Omit<GenerateOptions, "caller">,
  ): Promise<GenerateImageResponse> {
    return this.#images.generate(request, { ...options, caller: this.#caller });
  }

  /** Draws a picture that the caller may see again, for the caller. `undefined` when there is none. */
  async vary(
    imageId: string,
    variation: ImageVariation,
    options: Omit<GenerateOptions, "caller">,
  ): Promise<readonly VariationOutcome[] | undefined> {
    if ((await this.getMetadata(imageId, options.signal)) === undefined) return undefined;
    return this.#images.vary(imageId, variation, { ...options, caller: this.#caller });
  }

  /** The jobs whose pictures the caller will see. */
  listJobs(): readonly RunningJob[] {
    this.#policy.require(this.#principal, "images:read");
    return this.#images.jobs.list().filter(({ owner }) => this.#policy.maySee(this.#principal, owner));
  }

  /** Tells what happens to those jobs from now on; the function that comes back ends that. */
  watchJobs(listener: JobListener): () => void {
    this.#policy.require(this.#principal, "images:read");
    return this.#images.jobs.subscribe((event) => {
      if (this.#policy.maySee(this.#principal, event.job.owner)) listener(event);
    });
  }

  async getMetadata(imageId: string, signal?: AbortSignal): Promise<ImageMetadata | undefined> {
    this.#policy.require(this.#principal, "images:read");
    const metadata = await this.#images.getMetadata(imageId, signal);
    return metadata !== undefined && this.#maySee(metadata) ? this.#withoutOwner(metadata) : undefined;
  }

  async getImage(imageId: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
    this.#policy.require(this.#principal, "images:read");
    const image = await this.#images.getImage(imageId, signal);
    if (image === undefined || !this.#maySee(image.record)) return undefined;
    return { ...image, record: this.#withoutOwner(image.record) };
  }

  /** A picture that is not stored but that somebody was told of. */
  async findPending(imageId: string, signal?: AbortSignal): Promise<PendingImage | undefined> {
    this.#policy.require(this.#principal, "images:read");
    return this.#filterPending(await this.#images.findPending(imageId, signal));
  }

  /** Waits until the picture is there or its job has failed. `undefined` when it is unknown or its time is over. */
  async waitForImage(imageId: string, options: WaitOptions = {}): Promise<ReadyImage | PendingImage | undefined> {
    const { signal } = options;
    const metadata = await this.getMetadata(imageId, signal);
    if (metadata !== undefined) return { status: "ready", metadata };
    if ((await this.findPending(imageId, signal)) === undefined) return undefined;
    const found = await this.#images.waitForImage(imageId, options);
    if (found?.status !== "ready") return this.#filterPending(found);
    return this.#maySee(found.metadata) ? { ...found, metadata: this.#withoutOwner(found.metadata) } : undefined;
  }

  /** One page, newest first. It may be short, even empty, while `nextCursor` tells that there is more behind. */
  async listImages(query: Omit<FindImagesQuery, "createdAfterMs"> = {}): Promise<MetadataPage> {
    this.#policy.require(this.#principal, "images:read");
    const { limit = DEFAULT_LIST_LIMIT } = query;
    const images: ImageMetadata[] = [];
    let { cursor } = query;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const from = cursor === undefined ? {} : { cursor };
      const page = await this.#images.listImages({ ...query, ...from, limit: this.#toStoreLimit(limit) });
      for (const metadata of page.images) {
        // The limit is reached and there is one more.
        if (images.length === limit) return { images, ...(cursor !== undefined && { nextCursor: cursor }) };
        cursor = metadata.image_id;
        if (this.#maySee(metadata)) images.push(this.#withoutOwner(metadata));
      }
      if (page.nextCursor === undefined) return { images };
      cursor = page.nextCursor;
      if (images.length === limit || query.text !== undefined) break;
    }
    return { images, ...(cursor !== undefined && { nextCursor: cursor }) };
  }

  /** Where most pictures belong to others, reading some more at once is cheaper than asking again. */
  #toStoreLimit(limit: number): number {
    return this.#policy.isOpen || this.#policy.sharing === "shared" ? limit : Math.max(limit, DEFAULT_LIST_LIMIT);
  }

  /** Keeps a picture of the caller's for good, or lets its time count again. `undefined` when there is none. */
  async keepImage(imageId: string, keep: boolean, signal?: AbortSignal): Promise<ImageMetadata | undefined> {
    this.#policy.require(this.#principal, "images:delete");
    const metadata = await this.#images.getMetadata(imageId, signal);
    if (metadata === undefined || !this.#policy.isOwn(this.#principal, ownerOf(metadata))) return undefined;
    const kept = await this.#images.keepImage(imageId, keep, signal);
    if (kept) this.#record(keep ? "keep" : "release", imageId);
    return kept && this.#withoutOwner(kept);
  }

  /** True when this call deleted the picture, or ended the job that was to draw it; those that the caller may not see are not there. */
  async deleteImage(imageId: string): Promise<boolean> {
    this.#policy.require(this.#principal, "images:delete");
    if (!this.#policy.isOpen && !(await this.#isOwn(imageId))) return false;
    const deleted = await this.#images.deleteImage(imageId);
    if (deleted) this.#record("delete", imageId);
    return deleted;
  }

  /** Ends the job that is to draw this picture, here or in another process; the picture, once it is there, stays. */
  async cancelJob(imageId: string): Promise<boolean> {
    this.#policy.require(this.#principal, "images:generate");
    if (!this.#policy.isOpen && !(await this.#isOwn(imageId))) return false;
    const isCancelled = await this.#images.cancelJob(imageId);
    if (isCancelled) this.#record("cancel", imageId);
    return isCancelled;
  }

  /** Whether pictures belong to those who asked for them. */
  get hasOwners(): boolean {
    return !this.#policy.isOpen;
  }

  #record(action: AuditedAct["action"], imageId: string): void {
    this.#audit.record({ action, caller: this.#caller, imageId });
  }

  async #isOwn(imageId: string): Promise<boolean> {
    const metadata = await this.#images.getMetadata(imageId);
    const pending = metadata === undefined ? await this.#images.findPending(imageId) : undefined;
    if (metadata === undefined && pending === undefined) return false;
    return this.#policy.isOwn(this.#principal, metadata === undefined ? pending?.owner : ownerOf(metadata));
  }

  #filterPending(pending: PendingImage | undefined): PendingImage | undefined {
    if (pending === undefined || !this.#policy.maySee(this.#principal, pending.owner)) return undefined;
    if (pending.status === "failed") return pending;
    const { response } = pending;
    return { ...pending, response: { ...response, metadata: this.#withoutOwner(response.metadata) } };
  }

  get #principal(): Principal {
    return this.#caller.principal;
  }

  #maySee(record: ImageRecord): boolean {
    return this.#policy.maySee(this.#principal, ownerOf(record));
  }

  /** The record without its owner, unless the caller is that or an admin. */
  #withoutOwner<Record extends JsonObject>(record: Record): Record {
    if (record[OWNER_KEY] === undefined) return record;
    if (!this.#policy.isOpen && this.#policy.isOwn(this.#principal, ownerOf(record))) return record;
    const { [OWNER_KEY]: _, ...rest } = record;
    // Nothing but the owner is gone, which no type of a record names.
    return rest as unknown as Record;
  }
}
