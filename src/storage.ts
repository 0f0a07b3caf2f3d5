/** The stores, and what a store of your own extends. Prove it with `testStorage()` of the `testing` entry point. */
export {
  AbstractStorage,
  DEFAULT_LIST_LIMIT,
  MAX_LIST_LIMIT,
  MAX_SEARCHED_RECORDS,
  type AbstractStorageOptions,
  type FindImagesQuery,
  type ImagePage,
  type ImageRecord,
  type OperationOptions,
  type Reservation,
  type SavedImage,
  type StoredImage,
} from "./storage/abstract-storage.ts";
export { FileStorage, type FileStorageOptions } from "./storage/file-storage.ts";
export { S3Storage, type S3StorageOptions } from "./storage/s3-storage.ts";
export { type StorageLimits, type StorageTally, type StorageUsage } from "./storage/storage-quota.ts";
export { createImageId, parseImageId, type ImageId, type ParsedImageId } from "./core/image-id.ts";
export { StorageError, ValidationError } from "./core/errors.ts";
