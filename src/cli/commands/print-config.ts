import type { CommandContext } from "../command-context.ts";
import { CLIENT_NAMES, getClientKind, type ClientName } from "../clients/client-kinds.ts";
import { toClientEntry, type EntryOptions } from "../clients/to-client-entry.ts";
import { EXIT } from "../exit-code.ts";

export interface PrintConfigOptions extends EntryOptions {
  readonly client: ClientName | undefined;
  readonly list?: boolean;
}

/**
 * Prints what an MCP client must read to use this server: the text alone on standard output, where it belongs on
 * standard error.
 *
 * @throws {ValidationError} names the option that is wrong
 */
export function printConfig(context: CommandContext, options: PrintConfigOptions): number {
  const { client, list } = options;
  if (list === true || client === undefined) {
    context.stdout.write(listClients());
    if (list === true) return EXIT.ok;
    context.stderr.write("Name one of these clients: mcp-image-server print-config <client>\n");
    return EXIT.usage;
  }
  const kind = getClientKind(client);
  const entry = toClientEntry(options);
  const hint = kind.hint?.(entry);
  context.stdout.write(kind.print(entry));
  context.stderr.write(`${kind.title} reads this in ${kind.file(process.platform)}\n`);
  if (hint !== undefined) context.stderr.write(`${hint}\n`);
  return EXIT.ok;
}

function listClients(): string {
  const width = Math.max(...CLIENT_NAMES.map((name) => name.length));
  return CLIENT_NAMES.map((name) => {
    const { title, file } = getClientKind(name);
    return `${name.padEnd(width)}  ${title}: ${file(process.platform)}\n`;
  }).join("");
}
