/** The server as a library: `createApp(parseSettings(process.env), { version })`. */
export { UNNAMED, type Caller, type Principal } from "./access/principal.ts";
export { createApp, type App, type AppOptions } from "./app/create-app.ts";
export type { Generator } from "./app/create-generator.ts";
export { CleanupTask, type CleanupTaskOptions } from "./cleanup/cleanup-task.ts";
export { loadSettings, parseSettings, type LoadSettingsOptions, type LoadedSettings } from "./config/load-settings.ts";
export type { Settings } from "./config/settings.ts";
export {
  ConfigurationError,
  ERROR_TABLE,
  KServeError,
  MCPImageError,
  StorageError,
  ValidationError,
  type ErrorCode,
} from "./core/errors.ts";
export { Secret } from "./core/secret.ts";
export type { GenerateImageResponse } from "./images/image-job.ts";
export { ImageService, type ImageMetadata } from "./images/image-service.ts";
export { configureLogging, getLogger, type Logger } from "./logging/logger.ts";
export type { McpConnection, McpServerBuilder } from "./mcp/mcp-tool.ts";
export { GenerateImageTool } from "./mcp/generate-image-tool.ts";
export {
  GenerateImageParams,
  GenerateImageResponse as GenerateImageResponseSchema,
} from "./images/generate-image-params.ts";
