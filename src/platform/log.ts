// The log: one JSON line per request, and one per failure that no caller sees. METRICS, if bound, receives one data point per request.
// A line has only the class of an error, and the stack frames of an unexpected one: a message may contain addresses, keys or a caller's words.
import type { Problem } from "../core/lib/problem.ts";

/** The fields of one log line. They never contain a text, a key or an owner. */
export interface LogFields {
  request_id: string;
  route: string;
  caller?: string;
  preset?: string | undefined;
  model?: string;
  status?: number;
  code?: string;
  /** More about the code, for the log only. */
  reason?: string | undefined;
  cache?: "hit" | "miss" | "refresh" | "bypass";
  continuity?: string | undefined;
  stream?: boolean;
  /** With an Idempotency-Key: how the request got its answer. Only the request that started the run has its tokens and cost. */
  run?: "started" | "joined" | "replayed";
  /** Upstream was called. */
  asked?: boolean;
  response_id?: string;
  hook?: string;
  /** Index of the hook's secret that signed the event: 0 is the newest. */
  secret?: number;
  /** The sender's own id of the event. It is not signed. */
  delivery_id?: string;
  job?: string;
  /** Number of the job's attempt: 1 is the first. */
  attempt?: number;
  input_tokens?: number;
  cached_tokens?: number;
  output_tokens?: number;
  cost_usd?: number | undefined;
  /** Milliseconds until the head of the answer, and until its end. */
  first_ms?: number;
  total_ms?: number;
}

export interface Log {
  /**
   * @param event "job": an attempt at a job. "delivery": an attempt at its callback. "run": a call that continued after the caller of the
   * request that started it had disconnected; it logs what that request's line could not
   */
  request: (fields: LogFields, event?: "request" | "job" | "delivery" | "run") => void;
  warn: (event: string, error?: unknown) => void;
  /** Logs the class and the stack frames of the unexpected throw behind a problem, and of its causes. An expected problem logs nothing. */
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

export function jsonLog(write: (line: string) => void, metrics: MetricsBinding | undefined): Log {
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
          ...(error === undefined ? {} : { error: error instanceof Error ? error.name : typeof error }),
        }),
      );
    },
  };
  return log;
}

/** How many causes of a cause are logged. */
const MAX_CAUSES = 3;

interface ThrownValue {
  /** Name of the error's class, or the type of a thrown value that is not an Error. */
  error: string;
  /** The innermost frame first; absent if the runtime has only a text of the stack. */
  stack?: string[];
  cause?: ThrownValue;
}

function describeThrown(thrown: unknown, depth = 0): ThrownValue {
  if (!(thrown instanceof Error)) return { error: typeof thrown };
  const stack = framesOf(thrown);
  const name: unknown = thrown.name;
  return {
    // A name that other code has set may contain anything.
    error: typeof name === "string" && /^[\w$]{1,64}$/.test(name) ? name : "Error",
    ...(stack === undefined ? {} : { stack }),
    ...(depth < MAX_CAUSES && Object.hasOwn(thrown, "cause") ? { cause: describeThrown(thrown.cause, depth + 1) } : {}),
  };
}

/** V8's hook, which the types of ECMAScript do not know (v8.dev/docs/stack-trace-api). */
const V8Error = Error as unknown as { prepareStackTrace: ((error: Error, frames: unknown[]) => unknown) | undefined };

/**
 * The frames as V8 recorded them. `error.stack` as a text begins with the message, which may hold a caller's words on any number of lines,
 * even lines that look like frames. So the text is never used: while `prepareStackTrace` is set, V8 passes the frames alone.
 * @returns undefined if the stack had been turned into a text before: by other code, or in another isolate
 */
function framesOf(error: Error): string[] | undefined {
  const original = V8Error.prepareStackTrace;
  try {
    V8Error.prepareStackTrace = (_, frames) => frames.map(String);
    const stack: unknown = error.stack;
    return Array.isArray(stack) ? stack : undefined;
  } finally {
    V8Error.prepareStackTrace = original;
  }
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
