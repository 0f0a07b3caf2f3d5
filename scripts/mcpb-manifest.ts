import packageJson from "../package.json" with { type: "json" };

/** Tools by name, with what a person reads before installing. */
export const BUNDLE_TOOLS: Readonly<Record<string, string>> = {
  generate_image: "Draws a picture from a text",
  view_image: "Shows a picture to the model, or waits for one that is being drawn",
  list_images: "Lists and finds stored pictures",
  get_image: "Tells everything that is known of a picture",
  vary_image: "Draws a stored picture again, with new seeds or settings",
  keep_image: "Keeps a picture from expiry",
  delete_image: "Deletes a picture",
};

/** The `manifest.json` of the bundle for desktop clients, in version 0.3 of its format. */
export function createMcpbManifest(): Record<string, unknown> {
  return {
    manifest_version: "0.3",
    name: packageJson.name,
    display_name: "Image server",
    version: packageJson.version,
    description: packageJson.description,
    long_description:
      "Draws pictures from text, with the engine in this bundle (offline, no key) or with a model server of yours that speaks KServe's protocols or OpenAI's images. Pictures are kept in a folder of yours for a week.",
    author: { name: "The authors of mcp-image-server" },
    license: packageJson.license,
    keywords: packageJson.keywords,
    server: {
      type: "node",
      entry_point: "dist/cli/bin.js",
      mcp_config: {
        command: "node",
        args: ["${__dirname}/dist/cli/bin.js", "stdio"],
        env: {
          STORAGE_PATH: "${user_config.folder}",
          KSERVE_ENDPOINT: "${user_config.endpoint}",
          KSERVE_MODEL_NAME: "${user_config.model}",
          KSERVE_AUTH_TOKEN: "${user_config.token}",
        },
      },
    },
    tools: Object.entries(BUNDLE_TOOLS).map(([name, description]) => ({ name, description })),
    compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node: packageJson.engines.node } },
    user_config: {
      folder: {
        type: "directory",
        title: "Folder of the pictures",
        description: "Made when it is missing",
        default: "${HOME}/mcp-image-server",
        required: true,
      },
      endpoint: {
        type: "string",
        title: "Model server",
        description: "Its URL, or `embedded` for the engine in this bundle",
        default: "embedded",
        required: true,
      },
      model: {
        type: "string",
        title: "Model",
        description: "Its name at the model server; empty when that serves one only",
        default: "",
        required: false,
      },
      token: {
        type: "string",
        title: "Token for the model server",
        description: "Empty when it wants none",
        default: "",
        sensitive: true,
        required: false,
      },
    },
  };
}
