import type { StorageSettings } from "../config/settings.ts";
import type { AbstractStorage } from "../storage/abstract-storage.ts";
import { FileStorage } from "../storage/file-storage.ts";
import { S3Storage } from "../storage/s3-storage.ts";

/** The store that the settings name. Touches neither disk nor network. */
export function createStorage(settings: StorageSettings, baseUrl: () => string): AbstractStorage {
  switch (settings.backend) {
    case "file":
      return new FileStorage({ basePath: settings.path, baseUrl });
    case "s3":
      return new S3Storage({
        bucket: settings.bucket,
        prefix: settings.prefix,
        regionName: settings.region,
        baseUrl,
        ...(settings.endpointUrl !== undefined && { endpointUrl: settings.endpointUrl }),
        ...(settings.credentials && {
          accessKeyId: settings.credentials.accessKeyId,
          secretAccessKey: settings.credentials.secretAccessKey,
          ...(settings.credentials.sessionToken && { sessionToken: settings.credentials.sessionToken }),
        }),
      });
  }
}
