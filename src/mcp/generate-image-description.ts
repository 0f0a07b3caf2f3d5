/** Model names come from outside; this much of one is shown. */
const MAX_MODEL_NAME = 100;

/** What the model that calls the tool reads about it. */
export function describeGenerateImage(modelName: string, ttlSeconds: number | undefined): string {
  const model = modelName.replaceAll(/[^\w .:/@-]/g, "").slice(0, MAX_MODEL_NAME);
  const lifetime = describeLifetime(ttlSeconds);
  return [
    `Draws a new picture from a text prompt with the model "${model}", stores it and returns its URL.`,
    "The URL opens in any browser. To show the picture, put it in your answer as Markdown: ![what it shows](url).",
    lifetime,
    "Only the prompt is needed; leave the other arguments out unless the user asks for something specific.",
    "metadata.seed repeats the picture: pass it as seed with the same arguments.",
    "A call may take a minute or more. If metadata.status is running, call view_image with the image_id to wait for " +
      "the picture; do not generate it again. If the answer has isError, its JSON says what to correct (details) or, " +
      "when retryable is true, how long to wait (details.retry_after_seconds).",
  ].join("\n");
}

/** Until when a picture is there, and what to do then. */
export function describeLifetime(ttlSeconds: number | undefined): string {
  if (ttlSeconds === undefined) return "The picture is kept until somebody deletes it.";
  return `The picture is deleted after ${describeDuration(ttlSeconds)}, unless keep_image keeps it.`;
}

function describeDuration(seconds: number): string {
  for (const [unit, size] of [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return plural(seconds / size, unit);
  }
  return plural(seconds, "second");
}

function plural(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
