/** What each tool takes and gives, as clients read it; beside it the schemas say which dialect they are in. */
export const TOOL_SCHEMAS = {
  generate_image: {
    input: {
      type: "object",
      properties: {
        prompt: {
          type: "string",
          minLength: 1,
          maxLength: 10000,
          description: "What the picture shows: subject, setting, style, light. English works best with most models.",
        },
        negative_prompt: {
          description: "What the picture must not show, such as 'text, watermark, blurry'.",
          type: "string",
          maxLength: 10000,
        },
        width: { description: "Width in pixels.", default: 512, type: "integer", minimum: 64, maximum: 2048 },
        height: { description: "Height in pixels.", default: 512, type: "integer", minimum: 64, maximum: 2048 },
        num_inference_steps: {
          description: "Denoising steps: more takes longer and adds detail.",
          default: 50,
          type: "integer",
          minimum: 1,
          maximum: 200,
        },
        guidance_scale: {
          description: "How closely to follow the prompt.",
          default: 7.5,
          type: "number",
          minimum: 1,
          maximum: 20,
        },
        seed: {
          description: "Same seed and arguments: same picture, if the model supports it. -1 or absent: random.",
          type: "integer",
          minimum: -1,
          maximum: 4294967295,
        },
      },
      required: ["prompt"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: {
        url: { type: "string", description: "Opens the picture in any browser, and in Markdown." },
        image_id: { type: "string", description: "Name of the stored picture." },
        metadata: {
          type: "object",
          properties: {},
          description:
            "Facts of the picture: prompt, true width and height, seed (the number used), seed_report, model_name, mime_type, size in bytes, created_at, expires_at, generation_seconds, queue_wait_seconds, warnings.",
        },
      },
      required: ["url", "image_id", "metadata"],
    },
  },
  view_image: {
    input: {
      type: "object",
      properties: {
        image_id: { type: "string", description: "Id of the picture, as generate_image or list_images returned it." },
        preview: {
          description: "thumb: at most 512 pixels. full: at most 1024.",
          default: "thumb",
          type: "string",
          enum: ["thumb", "full"],
        },
      },
      required: ["image_id"],
      additionalProperties: false,
    },
    output: undefined,
  },
  list_images: {
    input: {
      type: "object",
      properties: {
        search: {
          description: "Only pictures whose prompt has every one of these words.",
          type: "string",
          minLength: 1,
          maxLength: 200,
        },
        limit: { default: 20, type: "integer", minimum: 1, maximum: 50 },
        cursor: { description: "next_cursor of the page before.", type: "string", maxLength: 100 },
      },
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: {
        images: {
          type: "array",
          items: {
            type: "object",
            properties: { image_id: { type: "string" }, url: { type: "string" }, created_at: { type: "string" } },
            required: ["image_id", "url", "created_at"],
          },
        },
        next_cursor: { type: "string" },
      },
      required: ["images"],
    },
  },
  get_image: {
    input: {
      type: "object",
      properties: {
        image_id: { type: "string", description: "Id of the picture, as generate_image or list_images returned it." },
      },
      required: ["image_id"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: {
        url: { type: "string" },
        image_id: { type: "string" },
        metadata: {
          type: "object",
          properties: {},
          description:
            "Facts of the picture: prompt, true width and height, seed (the number used), seed_report, model_name, mime_type, size in bytes, created_at, expires_at, generation_seconds, queue_wait_seconds, warnings.",
        },
      },
      required: ["url", "image_id", "metadata"],
    },
  },
  vary_image: {
    input: {
      type: "object",
      properties: {
        image_id: { type: "string", description: "Id of the picture, as generate_image or list_images returned it." },
        count: { description: "How many pictures.", default: 1, type: "integer", minimum: 1, maximum: 8 },
        seeds: {
          description: "One for each picture; absent: random.",
          minItems: 1,
          maxItems: 8,
          type: "array",
          items: { type: "integer", minimum: 0, maximum: 4294967295 },
        },
        prompt: { description: "Replaces the prompt.", type: "string", minLength: 1, maxLength: 10000 },
        negative_prompt: { description: "Replaces the negative prompt.", type: "string", maxLength: 10000 },
        aspect_ratio: {
          description: "Another form with about as many pixels, instead of width and height.",
          type: "string",
          enum: ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9"],
        },
        width: { type: "integer", minimum: 64, maximum: 2048 },
        height: { type: "integer", minimum: 64, maximum: 2048 },
        num_inference_steps: { type: "integer", minimum: 1, maximum: 200 },
        guidance_scale: { type: "number", minimum: 1, maximum: 20 },
        preview: {
          description: "Whether the answer carries the pictures, made small.",
          type: "string",
          enum: ["off", "thumb", "full"],
        },
      },
      required: ["image_id"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: {
        images: {
          type: "array",
          items: {
            type: "object",
            properties: {
              url: { type: "string" },
              image_id: { type: "string" },
              metadata: { type: "object", properties: {} },
            },
            required: ["url", "image_id", "metadata"],
          },
        },
        errors: {
          description: "Why there are fewer pictures.",
          type: "array",
          items: { type: "object", properties: { error: { type: "string" } }, required: ["error"] },
        },
      },
      required: ["images"],
    },
  },
  keep_image: {
    input: {
      type: "object",
      properties: {
        image_id: { type: "string", description: "Id of the picture, as generate_image or list_images returned it." },
        keep: { description: "false lets the picture expire again.", default: true, type: "boolean" },
      },
      required: ["image_id"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: {
        image_id: { type: "string" },
        kept: { type: "boolean" },
        expires_at: {
          anyOf: [{ type: "string", description: "The time, as in RFC 3339." }, { type: "null" }],
          description: "null: never.",
        },
      },
      required: ["image_id", "kept", "expires_at"],
    },
  },
  delete_image: {
    input: {
      type: "object",
      properties: {
        image_id: { type: "string", description: "Id of the picture, as generate_image or list_images returned it." },
      },
      required: ["image_id"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: { image_id: { type: "string" }, deleted: { type: "boolean", const: true } },
      required: ["image_id", "deleted"],
    },
  },
};
