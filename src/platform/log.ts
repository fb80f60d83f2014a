// The log: one JSON line per request, job attempt, delivery attempt, and run that outlives its request. METRICS, if bound, receives a data
// point for each of them. Each warning and each unexpected error has a line of its own. A line contains an error's class, and the stack
// frames of an unexpected error, but never its message, which may contain addresses, keys or a caller's words.
import { errorNameOf, type Problem } from "../core/lib/problem.ts";

/** The fields of one log line. They never contain a prompt, an answer, a key or an owner. */
export interface LogFields {
  request_id: string;
  route: string;
  caller?: string;
  preset?: string | undefined;
  model?: string;
  status?: number;
  code?: string;
  /** Details of the code, which only the log shows. */
  reason?: string | undefined;
  cache?: "hit" | "miss" | "refresh" | "bypass";
  continuity?: string | undefined;
  stream?: boolean;
  /**
   * How a request with an Idempotency-Key got its answer. Only one line shows the run's tokens and cost: that of the request that started
   * the run, or the `run` line if that request disconnected.
   */
  run?: "started" | "joined" | "replayed";
  upstream_called?: boolean;
  /** How often upstream was called, if more than once: for another model, after a wait, after a repair of items, or for a replay. */
  upstream_calls?: number;
  response_id?: string;
  hook?: string;
  /** Index of the hook's secret that signed the event: 0 is the newest. */
  secret?: number;
  /** The sender's own id of the event, from a header that is not signed. */
  delivery_id?: string;
  job?: string;
  /** The number of the job's attempt, from 1. */
  attempt?: number;
  input_tokens?: number;
  cached_tokens?: number;
  output_tokens?: number;
  cost_usd?: number | undefined;
  /** Milliseconds until the response's headers. */
  first_ms?: number;
  /** Milliseconds until the response's end. */
  total_ms?: number;
}

export interface Log {
  /**
   * Writes the line of a request, or of other work.
   * @param event "job": an attempt to answer a job. "delivery": an attempt to deliver its result. "run": a call that continued after the
   * request that started it had disconnected; the line shows the tokens and cost that the line of that request could not
   */
  request: (fields: LogFields, event?: "request" | "job" | "delivery" | "run") => void;
  warn: (event: string, error?: unknown) => void;
  /**
   * Logs the class and the stack frames of the unexpected error behind a problem, and of its causes. Logs nothing for an expected problem.
   */
  exception: (requestId: string, problem: Problem) => void;
}

interface MetricsPoint {
  indexes: string[];
  blobs: string[];
  doubles: number[];
}

/** The part of an Analytics Engine dataset that is used. */
export interface MetricsBinding {
  writeDataPoint(point: MetricsPoint): void;
}

export function createLog(write: (line: string) => void, metrics: MetricsBinding | undefined): Log {
  const log: Log = {
    request(fields, event = "request") {
      write(JSON.stringify({ level: (fields.status ?? 0) >= 500 ? "error" : "info", event, ...fields }));
      if (metrics === undefined) return;
      try {
        metrics.writeDataPoint(metricsPoint(fields));
      } catch (error) {
        log.warn("metrics_failed", error);
      }
    },
    exception(requestId, problem) {
      if (!Object.hasOwn(problem, "cause")) return;
      const { cause, ...details } = describeThrown(problem.cause);
      write(JSON.stringify({ level: "error", event: "exception", request_id: requestId, ...details, cause }));
    },
    warn(event, error) {
      write(
        JSON.stringify({
          level: "warn",
          event,
          ...(error === undefined ? {} : { error: errorNameOf(error) }),
        }),
      );
    },
  };
  return log;
}

/** How many nested causes are logged. */
const MAX_CAUSES = 3;

interface ThrownValue {
  /** Name of the error's class, or the type of a thrown value that is not an Error. */
  error: string;
  /** The innermost frame first; absent if the stack is available only as a string, or if the thrown value is not an Error. */
  stack?: string[];
  cause?: ThrownValue;
}

function describeThrown(thrown: unknown, depth = 0): ThrownValue {
  const error = errorNameOf(thrown);
  try {
    if (!(thrown instanceof Error)) return { error };
    const stack = framesOf(thrown);
    const hasCause = depth < MAX_CAUSES && Object.hasOwn(thrown, "cause");
    return {
      error,
      ...(stack === undefined ? {} : { stack }),
      ...(hasCause ? { cause: describeThrown(thrown.cause, depth + 1) } : {}),
    };
  } catch {
    // A getter or a proxy's trap threw.
    return { error };
  }
}

/** `Error` with V8's hook, which TypeScript's types lack (v8.dev/docs/stack-trace-api). */
const V8Error = Error as unknown as { prepareStackTrace: ((error: Error, frames: unknown[]) => unknown) | undefined };

const framesByError = new WeakMap<Error, string[]>();

/**
 * Returns the frames as V8 recorded them. As a string, `error.stack` begins with the message, which may contain a caller's words on any
 * number of lines, even lines that look like frames; and other code may have replaced the property. So its value is never used: V8 passes
 * the frames to `prepareStackTrace` when the property is first read.
 * @returns undefined if the stack was already converted to a string, by other code or in another isolate
 */
function framesOf(error: Error): string[] | undefined {
  const original = V8Error.prepareStackTrace;
  try {
    V8Error.prepareStackTrace = (target, frames) => {
      const texts = frames.map(String);
      framesByError.set(target, texts);
      return texts.join("\n");
    };
    void error.stack;
  } finally {
    V8Error.prepareStackTrace = original;
  }
  return framesByError.get(error);
}

/** The columns of the METRICS dataset, in the order that docs/configuration.md documents. */
function metricsPoint(fields: LogFields): MetricsPoint {
  return {
    indexes: [fields.route],
    blobs: [
      fields.route,
      fields.caller ?? "",
      fields.preset ?? "",
      fields.model ?? "",
      fields.code ?? "",
      fields.cache ?? "",
      fields.continuity ?? "",
    ],
    doubles: [
      fields.status ?? 0,
      fields.first_ms ?? 0,
      fields.total_ms ?? 0,
      fields.input_tokens ?? 0,
      fields.cached_tokens ?? 0,
      fields.output_tokens ?? 0,
      fields.cost_usd ?? 0,
    ],
  };
}
