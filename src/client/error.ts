// The one class for all failures of the client: errors that the Worker reports, and broken connections.

/** The `error` object of a response or of an `error` event. Any field may be missing if another server responded. */
interface ErrorBody {
  message?: string;
  code?: string;
  type?: string;
  param?: string;
  request_id?: string;
  cause?: unknown;
}

export class AskError extends Error {
  /**
   * A code of the Worker (`budget_exceeded` …), `connection_lost` if the connection broke, `stream_lost` if the stream can't be resumed, or
   * `unexpected_response` if the response is not from the Worker.
   */
  declare readonly code: string;
  declare readonly type: string;
  /** The request field that is wrong, or "". */
  declare readonly param: string;
  /** HTTP status of the response: 200 for an error within a stream, 0 if no response arrived or the connection broke. */
  declare readonly status: number;
  /** The request's id, or "". Quote it when you ask the Worker's operator for help. */
  declare readonly requestId: string;
  /** Seconds until another try makes sense; 0 if the Worker sent no Retry-After. */
  declare readonly retryAfter: number;
  /** Whether another try may succeed and can't be billed twice. */
  declare readonly retryable: boolean;

  constructor(
    body?: ErrorBody | null,
    { status = 0, headers }: { status?: number; headers?: Headers | undefined } = {},
  ) {
    const header = (name: string): string | null | undefined => headers?.get(name);
    const {
      message = `HTTP ${status}`,
      code = "unexpected_response",
      type = code,
      param = "",
      request_id = header("x-request-id") ?? "",
    } = body ?? {};
    super(message, body as ErrorOptions);
    Object.assign(this, {
      name: "AskError",
      code,
      type,
      param,
      status,
      requestId: request_id,
      retryAfter: +(header("retry-after") as string) || 0,
      // `unavailable` can also end a stream with status 200, when its recording can't be read right now.
      retryable:
        (!status || status === 429 || status > 499 || code === "unavailable") && header("x-should-retry") !== "false",
    });
  }
}

/**
 * Creates the error for a broken connection.
 * @param response the response that was cut off, if it had begun. The error has the response's request id, but status 0, since the status
 * of the response says nothing about the failure
 */
export function connectionLost(response?: Response, cause?: unknown): AskError {
  return new AskError({ message: "Connection lost.", code: "connection_lost", cause }, { headers: response?.headers });
}
