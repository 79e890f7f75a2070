import { createRequire } from 'node:module';
import { type DestinationStream, pino, stdTimeFunctions } from 'pino';
import { withoutControls } from './format.ts';
import type { Logger } from './logger.ts';

/** What redraws itself in place on the terminal that the log goes to: a progress bar, a live table. */
export interface Repainted {
  /** Wipes it, and leaves the cursor at the start of a line. */
  clear(): void;
  redraw(): void;
}

/** The log of a command. */
export interface Log extends Logger {
  /**
   * A logger that lets one line through in an interval for all calls with this key, whatever their number;
   * the next line says how many were suppressed. For what can go wrong as often as packets come.
   */
  rateLimited(key: string, intervalSeconds: number): Logger;
  /** Registers what has to step aside for a line; undefined: nothing any more. */
  repaint(repainted: Repainted | undefined): void;
  /** Says how many lines were suppressed and not yet told. To be called at the end. */
  flush(): void;
}

export interface LogOptions {
  /** Takes whole lines, each with its line feed. */
  readonly write: (line: string) => void;
  /** `write` goes to a terminal: lines for people instead of JSON. */
  readonly isTerminal: boolean;
  readonly color: boolean;
  /** Also what is only of interest for finding a fault. */
  readonly debug: boolean;
  /** Monotonic. */
  readonly nowMilliseconds: () => number;
}

export type Level = keyof Logger;
const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];

interface Limit {
  /** No line before this, on the monotonic clock. */
  nextMilliseconds: number;
  suppressed: number;
  last: { level: Level; message: string };
}

/** The log: JSON lines through pino, made readable by pino-pretty on a terminal. Synchronous: no line is lost at exit. */
export function createLog(options: LogOptions): Log {
  const { write, isTerminal, color, debug, nowMilliseconds } = options;
  // Loaded only where there is somebody to read it: 20 ms.
  const { prettyFactory } = isTerminal
    ? (createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty'))
    : { prettyFactory: undefined };
  const pretty = prettyFactory
    ? prettyFactory({
        colorize: color,
        translateTime: 'SYS:HH:MM:ss.l',
        singleLine: true,
        errorLikeObjectKeys: [],
      })
    : undefined;
  let repainted: Repainted | undefined;

  const destination: DestinationStream = {
    write(line) {
      repainted?.clear();
      write(pretty === undefined ? line : pretty(harmless(line)));
      repainted?.redraw();
    },
  };
  const logger = pino(
    {
      level: debug ? 'debug' : 'info',
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // An error is told by its message; the stack of a fault shows with WEIR_DEBUG=1 (main.ts).
      serializers: { error: (error: unknown) => (error instanceof Error ? error.message : error) },
    },
    destination,
  );
  return {
    ...createLogOf((level, message, fields) => logger[level](fields, message), nowMilliseconds),
    repaint(next) {
      repainted = next;
    },
  };
}

/** A log whose lines go to `emit`: those that its limits let through. */
export function createLogOf(
  emit: (level: Level, message: string, fields: object) => void,
  nowMilliseconds: () => number,
): Log {
  const limits = new Map<string, Limit>();
  const emitLimited = (
    key: string,
    intervalSeconds: number,
    level: Level,
    message: string,
    fields: object,
  ) => {
    const now = nowMilliseconds();
    const limit = limits.get(key);
    if (limit !== undefined && now < limit.nextMilliseconds) {
      limit.suppressed++;
      limit.last = { level, message };
      return;
    }
    const suppressed = limit?.suppressed ?? 0;
    limits.set(key, {
      nextMilliseconds: now + intervalSeconds * 1000,
      suppressed: 0,
      last: { level, message },
    });
    emit(level, message, suppressed === 0 ? fields : { ...fields, suppressed });
  };

  return {
    ...loggerOf(emit),
    rateLimited: (key, intervalSeconds) =>
      loggerOf((level, message, fields) => emitLimited(key, intervalSeconds, level, message, fields)),
    repaint() {},
    flush() {
      for (const limit of limits.values()) {
        if (limit.suppressed > 0)
          emit(limit.last.level, limit.last.message, { suppressed: limit.suppressed });
        limit.suppressed = 0;
      }
    },
  };
}

/** What others have named, an interface or a collector, must not move the cursor or clear the screen. */
function harmless(line: string): object {
  return JSON.parse(line, (_, value) =>
    typeof value === 'string' ? withoutControls(value) : value,
  ) as object;
}

function loggerOf(emit: (level: Level, message: string, fields: object) => void): Logger {
  const methods = LEVELS.map((level) => [
    level,
    (message: string, fields: object = {}) => emit(level, message, fields),
  ]);
  return Object.fromEntries(methods) as unknown as Logger;
}
