import { completable, type GetPromptResult, type McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { ASPECT_RATIOS, toSizeOfRatio, type AspectRatio } from "../images/aspect-ratio.ts";
import { GENERATION_DEFAULTS } from "../kserve/model-profiles.ts";
import type { McpFeature } from "./mcp-tool.ts";

const STYLES = [
  "photograph, natural light, 50 mm lens, shallow depth of field",
  "oil painting, visible brush strokes",
  "watercolour, soft edges, white paper",
  "pencil sketch, fine hatching",
  "flat vector illustration, few colours",
  "pixel art, 16-bit",
  "isometric 3D render, soft shadows",
  "anime, clean lines, cel shading",
  "film noir, high contrast, black and white",
];
const MOODS = ["calm", "cheerful", "dramatic", "mysterious", "nostalgic", "playful", "solemn"];
const LIGHTS = ["soft window light", "golden hour", "studio softbox", "hard rim light", "overcast daylight", "neon"];
const BACKGROUNDS = [
  "seamless white",
  "light grey gradient",
  "dark slate",
  "wooden table",
  "marble",
  "in use outdoors",
];
const COLOURS = [
  "blue and white",
  "black and gold",
  "pastel",
  "monochrome",
  "warm earth tones",
  "vivid primary colours",
];
const MEDIA = [
  "children's book watercolour",
  "editorial flat vector",
  "ink line art",
  "paper cut-out",
  "risograph print",
];
const AVOID = "text, watermark, signature, blurry, low quality, deformed";

interface PromptText {
  readonly prompt: string;
  readonly negative: string;
  readonly aspectRatio: string | undefined;
}

/** Prompts that a person picks, and that make a model call `generate_image` with words that diffusion models like. */
export class ImagePrompts implements McpFeature {
  register(server: McpServer): void {
    server.registerPrompt(
      "image_in_style",
      {
        title: "Picture in a style",
        description: "A picture of anything in a named style and mood.",
        argsSchema: z.object({
          subject: z.string().describe("What the picture shows"),
          style: suggest(STYLES, "How it is made"),
          mood: suggest(MOODS, "How it feels").optional(),
          aspect_ratio: suggest(ASPECT_RATIOS, "Its form").optional(),
        }),
      },
      ({ subject, style, mood, aspect_ratio }) =>
        toMessage({ prompt: join(subject, style, mood && `${mood} mood`), negative: AVOID, aspectRatio: aspect_ratio }),
    );
    server.registerPrompt(
      "product_shot",
      {
        title: "Product shot",
        description: "A product as a shop would show it.",
        argsSchema: z.object({
          product: z.string().describe("The product, with material and colour"),
          background: suggest(BACKGROUNDS, "What is behind it").optional(),
          light: suggest(LIGHTS, "How it is lit").optional(),
          aspect_ratio: suggest(ASPECT_RATIOS, "Its form").optional(),
        }),
      },
      ({ product, background = "seamless white", light = "studio softbox", aspect_ratio }) =>
        toMessage({
          prompt: join(`product photograph of ${product}`, `${background} background`, light, "centred, sharp focus"),
          negative: `${AVOID}, people, hands, clutter`,
          aspectRatio: aspect_ratio,
        }),
    );
    server.registerPrompt(
      "app_icon",
      {
        title: "App icon",
        description: "A simple square icon that is still clear when it is small.",
        argsSchema: z.object({
          idea: z.string().describe("What the icon stands for"),
          colours: suggest(COLOURS, "Its colours").optional(),
        }),
      },
      ({ idea, colours = "blue and white" }) =>
        toMessage({
          prompt: join(`app icon, ${idea}`, "one simple centred shape", "flat vector", colours, "plain background"),
          negative: `${AVOID}, letters, photo, clutter, gradients`,
          aspectRatio: "1:1",
        }),
    );
    server.registerPrompt(
      "illustration",
      {
        title: "Illustration",
        description: "A picture for a text: a chapter, an article, a slide.",
        argsSchema: z.object({
          scene: z.string().describe("What happens in it"),
          medium: suggest(MEDIA, "How it is made").optional(),
          colours: suggest(COLOURS, "Its colours").optional(),
          aspect_ratio: suggest(ASPECT_RATIOS, "Its form").optional(),
        }),
      },
      ({ scene, medium = "editorial flat vector", colours, aspect_ratio }) =>
        toMessage({
          prompt: join(`illustration of ${scene}`, medium, colours, "clear composition"),
          negative: AVOID,
          aspectRatio: aspect_ratio,
        }),
    );
  }
}

/** A text argument with suggestions; anything else is good too. */
function suggest(words: readonly string[], description: string) {
  return completable(z.string().describe(description), (start) =>
    words.filter((word) => word.toLowerCase().startsWith((start ?? "").toLowerCase())),
  );
}

function join(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join(", ");
}

function toMessage({ prompt, negative, aspectRatio }: PromptText): GetPromptResult {
  const ratio = ASPECT_RATIOS.find((known) => known === aspectRatio);
  const settings = { prompt, negative_prompt: negative, ...(ratio && toSize(ratio)) };
  const text = [
    "Draw this picture with the tool generate_image, with these arguments:",
    JSON.stringify(settings, null, 2),
    "Add to the prompt only what the user asked for. Then show the picture as Markdown: ![what it shows](url).",
  ].join("\n\n");
  return { messages: [{ role: "user", content: { type: "text", text } }] };
}

function toSize(ratio: AspectRatio): { readonly width: number; readonly height: number } {
  return toSizeOfRatio(ratio, GENERATION_DEFAULTS);
}
