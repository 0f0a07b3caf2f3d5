import packageJson from "../../package.json" with { type: "json" };

/** The version of this package. The bundler writes it into the published command. */
export const PACKAGE_VERSION: string = packageJson.version;
