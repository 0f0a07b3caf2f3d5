import type { McpServer } from "@modelcontextprotocol/server";
import type { Clock } from "../core/clock.ts";
import type { ImageChange, ImageChanges } from "../images/image-changes.ts";
import { getLogger } from "../logging/logger.ts";

/** Who is told of resources. */
export interface ResourceNewsSink {
  listChanged(): void | Promise<void>;
  updated(uri: string): void | Promise<void>;
}

/** Pictures that come one after the other change a list once. */
const QUIET_MS = 1000;

/** Of one client; more are not told of. */
const MAX_SUBSCRIPTIONS = 1000;

const logger = getLogger("mcp");

/** Passes on what happens to pictures as news of resources. The function that comes back ends that. */
export function tellResourceNews(
  changes: Pick<ImageChanges, "subscribe">,
  sink: ResourceNewsSink,
  clock: Clock,
): () => void {
  const ended = new AbortController();
  let isListWaiting = false;
  const send = async (work: () => void | Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      logger.debug("resource_news_not_sent", { error });
    }
  };
  const tellList = async (): Promise<void> => {
    if (isListWaiting) return;
    isListWaiting = true;
    await clock.sleep(QUIET_MS, ended.signal).catch(() => undefined);
    isListWaiting = false;
    if (!ended.signal.aborted) await send(() => sink.listChanged());
  };
  const leave = changes.subscribe(({ kind, imageId }: ImageChange) => {
    for (const uri of [`image://${imageId}`, `image://${imageId}/metadata`]) void send(() => sink.updated(uri));
    if (kind !== "updated") void tellList();
  });
  return () => {
    leave();
    ended.abort();
  };
}

/** News for a server that lasts: of the resources that its client subscribed to, and of the list. */
export function followResources(server: McpServer, changes: Pick<ImageChanges, "subscribe">, clock: Clock): void {
  const wanted = new Set<string>();
  server.server.setRequestHandler("resources/subscribe", ({ params }) => {
    if (wanted.size < MAX_SUBSCRIPTIONS) wanted.add(params.uri);
    return {};
  });
  server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
    wanted.delete(params.uri);
    return {};
  });
  const leave = tellResourceNews(
    changes,
    {
      listChanged: async () => server.server.sendResourceListChanged(),
      updated: async (uri) => {
        if (wanted.has(uri)) await server.server.sendResourceUpdated({ uri });
      },
    },
    clock,
  );
  const { onclose } = server.server;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's server has no listeners
  server.server.onclose = () => {
    leave();
    onclose?.();
  };
}
