import type { S3StorageSettings, StorageSettings } from "../config/settings.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import { FileJobRecords } from "../storage/file-job-records.ts";
import { FileStorage } from "../storage/file-storage.ts";
import type { JobRecords } from "../storage/job-records.ts";
import { S3JobRecords, type S3JobRecordsOptions } from "../storage/s3-job-records.ts";
import { S3Storage } from "../storage/s3-storage.ts";

/** The store that the settings name. Touches neither disk nor network. */
export function createStorage(settings: StorageSettings, baseUrl: () => string): AbstractStorage {
  switch (settings.backend) {
    case "file":
      return new FileStorage({ basePath: settings.path, baseUrl, limits: settings.limits });
    case "s3":
      return new S3Storage({
        ...toS3Options(settings),
        baseUrl,
        limits: settings.limits,
        ...(settings.publicEndpointUrl !== undefined && { publicEndpointUrl: settings.publicEndpointUrl }),
      });
  }
}

/** The records of jobs beside the pictures of that store. Touches neither disk nor network. */
export function createJobRecords(settings: StorageSettings): JobRecords {
  switch (settings.backend) {
    case "file":
      return new FileJobRecords({ basePath: settings.path });
    case "s3":
      return new S3JobRecords(toS3Options(settings));
  }
}

function toS3Options({ bucket, prefix, region, endpointUrl, credentials }: S3StorageSettings): S3JobRecordsOptions {
  return {
    bucket,
    prefix,
    regionName: region,
    ...(endpointUrl !== undefined && { endpointUrl }),
    ...(credentials && {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(credentials.sessionToken && { sessionToken: credentials.sessionToken }),
    }),
  };
}
