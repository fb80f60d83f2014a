// The log: one JSON line per request, and a line where something outside failed that no caller sees. METRICS, if bound, gets one
// point per request. Errors of the outside are named by class only: their texts may hold addresses and keys.

/** One log line; never text, keys or owners. */
export interface LogFields {
  request_id: string;
  route: string;
  caller?: string;
  preset?: string | undefined;
  model?: string;
  status?: number;
  code?: string;
  reason?: string | undefined;
  cache?: "hit" | "miss" | "refresh" | "bypass";
  continuity?: string | undefined;
  stream?: boolean;
  /** With an Idempotency-Key: whose call this was. Only the request that started it has its tokens and its cost. */
  run?: "started" | "joined" | "replayed";
  /** Upstream was asked. */
  asked?: boolean;
  response_id?: string;
  hook?: string;
  /** Which of the hook's secrets has signed: 0 is the newest. */
  secret?: number;
  /** The sender's own, unsigned. */
  delivery_id?: string;
  job?: string;
  /** Of a job: 1 is the first. */
  attempt?: number;
  input_tokens?: number;
  cached_tokens?: number;
  output_tokens?: number;
  cost_usd?: number | undefined;
  /** Milliseconds: until the answer's head, and in all. */
  first_ms?: number;
  total_ms?: number;
}

export interface Log {
  /**
   * @param event "job" for a try at one, "delivery" for an attempt at its callback: no request waits for these. "flight" for a call that
   * went on when the request that started it had left: what stands in no request's line
   */
  request: (facts: LogFields, event?: "request" | "job" | "delivery" | "flight") => void;
  warn: (event: string, error?: unknown) => void;
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
    request(facts, event = "request") {
      write(JSON.stringify({ level: (facts.status ?? 0) >= 500 ? "error" : "info", event, ...facts }));
      if (metrics === undefined) return;
      try {
        metrics.writeDataPoint(metricsPoint(facts));
      } catch (error) {
        log.warn("metrics_failed", error);
      }
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

/** Columns of the METRICS dataset: blobs route, caller, preset, model, code, cache, continuity; doubles status, first_ms, total_ms, input, cached, output tokens, cost. */
function metricsPoint(facts: LogFields): MetricsPoint {
  return {
    indexes: [facts.route],
    blobs: [
      facts.route,
      facts.caller ?? "",
      facts.preset ?? "",
      facts.model ?? "",
      facts.code ?? "",
      facts.cache ?? "",
      facts.continuity ?? "",
    ],
    doubles: [
      facts.status ?? 0,
      facts.first_ms ?? 0,
      facts.total_ms ?? 0,
      facts.input_tokens ?? 0,
      facts.cached_tokens ?? 0,
      facts.output_tokens ?? 0,
      facts.cost_usd ?? 0,
    ],
  };
}
