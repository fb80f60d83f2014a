// Every failure of the client: what the Worker said in its own words, and a connection that broke in ours.

/** `error` of a body or of an `error` event. */
interface Said {
  message: string;
  code: string;
  type?: string;
  param?: string;
  request_id?: string;
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

  constructor({ message, code, type = code, param = "", request_id = "" }: Said, response?: Response, cause?: unknown) {
    super(message, { cause });
    const status = response?.status ?? 0;
    const header = (name: string): string | null | undefined => response?.headers.get(name);
    Object.assign(this, {
      name: "AskError",
      code,
      type,
      param,
      status,
      requestId: request_id,
      retryAfter: Number(header("retry-after")) || 0,
      // Within a stream `unavailable` says that what is kept of it can't be reached for the moment.
      retryable:
        status === 200 ? code === "unavailable" : (!status || status === 429 || status > 499) && header("x-should-retry") !== "false",
    });
  }
}

export function connectionLost(cause?: unknown): AskError {
  return new AskError({ message: "Connection lost.", code: "connection_lost" }, undefined, cause);
}
