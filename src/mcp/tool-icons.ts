import type { Icon } from "@modelcontextprotocol/server";

/** What a client may draw beside a tool: a few strokes, as every list of the tools carries them. */
const PATHS = {
  generate_image: "M4 20l9-9m2-6v4m2-2h-4m6 6v2m1-1h-2",
  view_image: "M2 12c4-7 16-7 20 0c-4 7-16 7-20 0m7 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0",
  list_images: "M4 4h7v7H4zm9 0h7v7h-7zM4 13h7v7H4zm9 0h7v7h-7z",
  get_image: "M4 4h16v16H4zm4 4h8m-8 4h8m-8 4h5",
  vary_image: "M4 7h9l-3-3m10 13h-9l3 3M13 7l7 10",
  delete_image: "M5 7h14M9 7V4h6v3m-8 0l1 13h8l1-13",
  keep_image: "M6 3h12v18l-6-5-6 5z",
} as const;

export function toolIcons(tool: keyof typeof PATHS): Icon[] {
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='gray'><path d='${PATHS[tool]}'/></svg>`;
  return [{ src: `data:image/svg+xml,${encodeURIComponent(svg)}`, mimeType: "image/svg+xml", sizes: ["any"] }];
}
