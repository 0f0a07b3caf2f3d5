import { pino } from "pino";
import { LEVELS } from "./levels.ts";

/** What JSON leaves as it is and a terminal obeys: C1 controls, line separators, changes of direction. */
const UNSAFE_ON_A_TERMINAL = /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/** Takes whole lines. */
export interface LogSink {
  write(line: string): void;
}

export interface LogDestinationOptions {
  /** `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly format: "auto" | "json" | "pretty";
  /** Whether standard error is a terminal. */
  readonly isTerminal: boolean;
  /** Asked for `NO_COLOR`, `FORCE_COLOR` and `TERM`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: standard error. */
  readonly sink?: LogSink;
}

/** Standard error, written synchronously so that a crash loses nothing; stdout belongs to the stdio transport. */
export function createStderrDestination(): LogSink {
  return pino.destination({ dest: 2, sync: true });
}

/** Where log lines go, as JSON or for human eyes; the printer is loaded only when it is wanted. */
export async function loadLogDestination(options: LogDestinationOptions): Promise<LogSink> {
  const sink = options.sink ?? createStderrDestination();
  if (options.format === "json" || (options.format === "auto" && !options.isTerminal)) return sink;
  const { prettyFactory } = await import("./pretty-factory.ts");
  const toPretty = prettyFactory({
    colorize: wantsColor(options.env, options.isTerminal),
    customLevels: LEVELS,
    customColors: "debug:gray,info:green,warning:yellow,error:red,critical:bgRed",
    messageKey: "event",
    timestampKey: "timestamp",
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "service,component",
    singleLine: true,
    errorLikeObjectKeys: [],
    messageFormat: (line, messageKey) => `${toWord(line["component"])} ${toWord(line[messageKey])}`,
  });
  return { write: (line) => sink.write(toPretty(line).replace(UNSAFE_ON_A_TERMINAL, "?")) };
}

/** Whether to write colors: `NO_COLOR` forbids them, `FORCE_COLOR` demands them, otherwise a capable terminal decides. */
export function wantsColor(env: LogDestinationOptions["env"], isTerminal: boolean): boolean {
  if (env["NO_COLOR"]) return false;
  const forced = env["FORCE_COLOR"];
  if (forced) return forced !== "0" && forced !== "false";
  return isTerminal && env["TERM"] !== "dumb";
}

/** These two are printed bare, so nothing in them may move the cursor or begin a line. */
function toWord(value: unknown): string {
  return typeof value === "string" ? value.replace(/\p{Cc}/gu, "?") : "-";
}
