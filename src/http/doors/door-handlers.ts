import type { ImageService } from "../../images/image-service.ts";
import type { RouteHandler } from "../route-handlers.ts";
import { decode } from "../picture-route.ts";
import type { RouteName } from "../route-table.ts";
import {
  createA1111Images,
  getA1111Options,
  getA1111Progress,
  listA1111Models,
  listA1111Samplers,
  setA1111Options,
} from "./a1111-door.ts";
import { createOpenAiImages, getOpenAiModel, listOpenAiModels } from "./openai-door.ts";

export type DoorRoute = Extract<RouteName, `openai${string}` | `a1111${string}`>;

/** The interfaces of other servers, for clients that know those. */
export function createDoorHandlers(
  images: Pick<ImageService, "for">,
  modelName: () => string,
): Record<DoorRoute, RouteHandler> {
  return {
    openaiGenerate: async ({ exchange }) => createOpenAiImages(exchange, images.for(exchange.caller)),
    openaiModels: () => listOpenAiModels(modelName()),
    openaiModel: ({ imageId: name }) => getOpenAiModel(decode(name)),
    a1111Generate: async ({ exchange }) => createA1111Images(exchange, images.for(exchange.caller)),
    a1111Models: () => listA1111Models(modelName()),
    a1111Samplers: () => listA1111Samplers(),
    a1111Options: () => getA1111Options(modelName()),
    a1111SetOptions: async ({ exchange }) => setA1111Options(exchange),
    a1111Progress: ({ exchange }) => getA1111Progress(images.for(exchange.caller)),
  };
}
