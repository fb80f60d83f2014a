// Every failure of the client: what the Worker said in its own words, and a connection that broke in ours.

/** `error` of a body or of an `error` event; it may be anything where somebody else than the Worker answered. */
interface Said {
  message?: string;
  code?: string;
  type?: string;
  param?: string;
  request_id?: string;
  cause?: unknown;
}

export class AskError extends Error {
  /** The Worker's own (`budget_exceeded` …), `connection_lost` where none came, `unexpected_response` where somebody else answered. */
  declare readonly code: string;
  declare readonly type: string;
  /** The field that is wrong, or "". */
  declare readonly param: string;
  /** HTTP status of the answer: 200 where a stream had begun, 0 where there was none. */
  declare readonly status: number;
  /** For the Worker's operator, or "". */
  declare readonly requestId: string;
  /** Seconds until another try makes sense; 0 where the Worker did not say. */
  declare readonly retryAfter: number;
  /** Whether another try may help and is not paid twice. */
  declare readonly retryable: boolean;

  constructor(said?: Said | null, { status = 0, headers }: { status?: number; headers?: Headers | undefined } = {}) {
    const header = (name: string): string | null | undefined => headers?.get(name);
    const {
      message = `HTTP ${status}`,
      code = "unexpected_response",
      type = code,
      param = "",
      request_id = header("x-request-id") ?? "",
    } = said ?? {};
    super(message, said as ErrorOptions);
    Object.assign(this, {
      name: "AskError",
      code,
      type,
      param,
      status,
      requestId: request_id,
      retryAfter: +(header("retry-after") as string) || 0,
      // `unavailable` also within a stream: what is kept of it can't be reached for the moment.
      retryable:
        (!status || status === 429 || status > 499 || code === "unavailable") && header("x-should-retry") !== "false",
    });
  }
}

/** @param response of which not all came: its status says nothing then, but its id may be quoted */
export function connectionLost(response?: Response, cause?: unknown): AskError {
  return new AskError({ message: "Connection lost.", code: "connection_lost", cause }, { headers: response?.headers });
}
