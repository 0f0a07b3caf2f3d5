import { AsyncLocalStorage } from "node:async_hooks";
import { pino, type Logger as PinoLogger } from "pino";
import { systemClock, type Clock } from "../core/clock.ts";
import { errorFields } from "./error-fields.ts";
import { LEVELS, type Level } from "./levels.ts";
import { createStderrDestination, type LogSink } from "./log-destination.ts";
import { toSafeFields } from "./safe-fields.ts";

export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line per call: an event name in snake_case, then fields in snake_case. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LoggingOptions {
  readonly service: string;
  /** The name of a level in any case; `warn` is `warning`. */
  readonly level: string;
  /** Default: standard error, as JSON lines. See `loadLogDestination()` for the pretty form. */
  readonly destination?: LogSink;
  /** Default: the machine's clock. */
  readonly clock?: Pick<Clock, "nowMs">;
}

/** The logger's configuration: the one piece of module state of the project. */
let root: PinoLogger<Level> | undefined;

const context = new AsyncLocalStorage<LogFields>();

/** Sets what every logger writes and where; may be called again. */
export function configureLogging(options: LoggingOptions): void {
  const level = options.level.toLowerCase();
  const clock = options.clock ?? systemClock;
  root = pino<Level>(
    {
      level: level === "warn" ? "warning" : level,
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      base: { service: options.service },
      messageKey: "event",
      timestamp: () => `,"timestamp":"${new Date(clock.nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? createStderrDestination(),
  );
}

/** A logger whose lines carry `service` and `component`; may be made before logging is configured. */
export function getLogger(name: string): Logger {
  const write = (level: Level, event: string, fields: LogFields = {}): void => {
    if (root === undefined || !root.isLevelEnabled(level)) return;
    const { error, ...rest } = fields;
    root[level](
      {
        component: name,
        ...toSafeFields({ ...context.getStore(), ...rest }),
        ...(error !== undefined && errorFields(error)),
      },
      event,
    );
  };
  return {
    debug: (event, fields) => write("debug", event, fields),
    info: (event, fields) => write("info", event, fields),
    warn: (event, fields) => write("warning", event, fields),
    error: (event, fields) => write("error", event, fields),
  };
}

/** Runs `work` so that every line written within carries these fields, such as `request_id`. */
export function withLogFields<Result>(fields: LogFields, work: () => Result): Result {
  return context.run({ ...context.getStore(), ...fields }, work);
}
