// Every failure of the client as one class: errors that the Worker reports, and broken connections.

/** `error` of a response or of an `error` event. Any field may be missing if another server answered. */
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
   * The Worker's own code (`budget_exceeded` …), `connection_lost` without a response, `stream_lost` for a stream that can't be resumed,
   * `unexpected_response` for a response that is not from the Worker.
   */
  declare readonly code: string;
  declare readonly type: string;
  /** The field that is wrong, or "". */
  declare readonly param: string;
  /** HTTP status of the response: 200 if a stream had begun, 0 without a response. */
  declare readonly status: number;
  /** To quote to the Worker's operator, or "". */
  declare readonly requestId: string;
  /** Seconds until another try makes sense; 0 if the Worker did not say. */
  declare readonly retryAfter: number;
  /** Whether another try may help and is not paid for twice. */
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
      // `unavailable` also within a stream: its recording can't be read right now.
      retryable:
        (!status || status === 429 || status > 499 || code === "unavailable") && header("x-should-retry") !== "false",
    });
  }
}

/** @param response an incomplete one: its status means nothing then, but its request id can be quoted */
export function connectionLost(response?: Response, cause?: unknown): AskError {
  return new AskError({ message: "Connection lost.", code: "connection_lost", cause }, { headers: response?.headers });
}
