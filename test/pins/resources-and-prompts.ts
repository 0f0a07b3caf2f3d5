/** The addresses of pictures. */
export const RESOURCE_TEMPLATES = [
  { name: "image", title: "Picture", uriTemplate: "image://{id}", description: "A stored picture, as its file." },
  {
    name: "image-metadata",
    title: "Facts of a picture",
    uriTemplate: "image://{id}/metadata",
    description: "Prompt, seed, size, model and times of a picture, or how far it is.",
    mimeType: "application/json",
  },
  { name: "io.modelcontextprotocol/skills", uriTemplate: "skill://{+path}" },
];

/** The prompts, with all that clients show of them. */
export const PROMPTS = [
  {
    name: "image_in_style",
    title: "Picture in a style",
    description: "A picture of anything in a named style and mood.",
    arguments: [
      { name: "subject", description: "What the picture shows", required: true },
      { name: "style", description: "How it is made", required: true },
      { name: "mood", description: "How it feels", required: false },
      { name: "aspect_ratio", description: "Its form", required: false },
    ],
  },
  {
    name: "product_shot",
    title: "Product shot",
    description: "A product as a shop would show it.",
    arguments: [
      { name: "product", description: "The product, with material and colour", required: true },
      { name: "background", description: "What is behind it", required: false },
      { name: "light", description: "How it is lit", required: false },
      { name: "aspect_ratio", description: "Its form", required: false },
    ],
  },
  {
    name: "app_icon",
    title: "App icon",
    description: "A simple square icon that is still clear when it is small.",
    arguments: [
      { name: "idea", description: "What the icon stands for", required: true },
      { name: "colours", description: "Its colours", required: false },
    ],
  },
  {
    name: "illustration",
    title: "Illustration",
    description: "A picture for a text: a chapter, an article, a slide.",
    arguments: [
      { name: "scene", description: "What happens in it", required: true },
      { name: "medium", description: "How it is made", required: false },
      { name: "colours", description: "Its colours", required: false },
      { name: "aspect_ratio", description: "Its form", required: false },
    ],
  },
];
