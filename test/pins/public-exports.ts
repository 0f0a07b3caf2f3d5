/** What each entry point of the package exports: values, and names that are types alone. */
export const PUBLIC_EXPORTS = {
  ".": {
    values: `CleanupTask ConfigurationError ERROR_TABLE GenerateImageParams GenerateImageResponseSchema GenerateImageTool
      ImageService KServeError MCPImageError Secret StorageError UNNAMED ValidationError configureLogging createApp
      getLogger loadSettings parseSettings`,
    types: `App AppOptions Caller CleanupTaskOptions ErrorCode GenerateImageResponse Generator ImageMetadata
      LoadSettingsOptions LoadedSettings Logger McpConnection McpServerBuilder Principal Settings`,
  },
  "./storage": {
    values: `AbstractStorage DEFAULT_LIST_LIMIT FileStorage MAX_LIST_LIMIT MAX_SEARCHED_RECORDS S3Storage StorageError
      ValidationError createImageId parseImageId`,
    types: `AbstractStorageOptions FileStorageOptions FindImagesQuery ImageId ImagePage ImageRecord OperationOptions
      ParsedImageId Reservation S3StorageOptions SavedImage StorageLimits StorageTally StorageUsage StoredImage`,
  },
  "./kserve": {
    values: "ConfigurationError KServeClient KServeError",
    types: `CircuitState GenerateImageOptions GenerateImageRequest GeneratedImage GenerationMetadata GenerationProgress
      ImageGenerator KServeClientOptions ModelDescription SeedReport Upstream UpstreamObserver V2Mapping
      WaitUntilIdleOptions`,
  },
  "./testing": {
    values: "FakeKServeRuntime MockKServeClient MockStorage createFakeClock startFakeS3Server testStorage",
    types: "FakeClock FakeKServeRuntimeOptions FakeS3Server MockStorageOptions",
  },
} as const;
