import { answerLines, repeat } from "./line-server.ts";

export interface Drawer {
  readonly draw: () => Promise<{ readonly name: string; readonly size: number }>;
  readonly remove: (name: string) => Promise<void>;
}

/** Answers `{ count, concurrency }` by drawing, and anything else by removing what was drawn. */
export async function drawPictures({ draw, remove }: Drawer): Promise<void> {
  const names: string[] = [];
  await answerLines(async ({ count, concurrency }) => {
    if (count === undefined) {
      for (const name of names.splice(0)) await remove(name);
      return {};
    }
    let bytes = 0;
    await repeat(Number(count), Number(concurrency), async () => {
      const { name, size } = await draw();
      names.push(name);
      bytes += size;
    });
    return { bytes };
  });
}
