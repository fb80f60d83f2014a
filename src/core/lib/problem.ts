// Every failure that a caller can meet: its code, status, type and body. A code that is not in the table does not compile.
// Knows nothing of where a failure came from; upstream-error.ts translates what UniAPI said.

import type { ProblemBody } from "../../contract/problem.ts";

type ErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "permission_error"
  | "rate_limit_error"
  | "server_error";

export const PROBLEMS = {
  invalid_json: [400, "invalid_request_error"],
  invalid_request: [400, "invalid_request_error"],
  unknown_parameter: [400, "invalid_request_error"],
  input_too_deep: [400, "invalid_request_error"],
  previous_response_not_found: [400, "invalid_request_error"],
  model_not_allowed: [400, "invalid_request_error"],
  conversation_too_long: [400, "invalid_request_error"],
  upstream_rejected: [400, "invalid_request_error"],
  invalid_credentials: [401, "authentication_error"],
  origin_not_allowed: [403, "permission_error"],
  insufficient_scope: [403, "permission_error"],
  not_found: [404, "invalid_request_error"],
  response_not_found: [404, "invalid_request_error"],
  method_not_allowed: [405, "invalid_request_error"],
  request_timeout: [408, "invalid_request_error"],
  stream_lost: [409, "invalid_request_error"],
  payload_too_large: [413, "invalid_request_error"],
  unsupported_media_type: [415, "invalid_request_error"],
  idempotency_key_reused: [422, "invalid_request_error"],
  rate_limited: [429, "rate_limit_error"],
  budget_exceeded: [429, "rate_limit_error"],
  upstream_rate_limited: [429, "rate_limit_error"],
  internal_error: [500, "server_error"],
  upstream_error: [502, "server_error"],
  upstream_invalid_response: [502, "server_error"],
  upstream_auth: [502, "server_error"],
  upstream_quota: [502, "server_error"],
  misconfigured: [503, "server_error"],
  paused: [503, "server_error"],
  unavailable: [503, "server_error"],
  upstream_unavailable: [503, "server_error"],
  upstream_timeout: [504, "server_error"],
} as const satisfies Record<string, readonly [status: number, type: ErrorType]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Codes that a second try cannot mend. */
const NON_RETRYABLE: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "request_timeout",
  "stream_lost",
  "budget_exceeded",
  "upstream_quota",
  "upstream_auth",
  "misconfigured",
]);

export interface ProblemDetails {
  /** The request's field that is wrong. */
  param?: string;
  /** Upstream's own code, shown in place of ours (only of a 400). */
  upstreamCode?: string;
  /** Seconds until another try makes sense. */
  retryAfter?: number;
  /** Seconds that upstream itself asked for; absent where `retryAfter` is our guess. */
  upstreamRetryAfter?: number;
  /** Whether the upstream call may have been paid; absent where upstream was not asked. */
  paid?: "unpaid" | "maybe";
  /** Upstream has no such model or no channel for it: a fallback model may be tried. */
  noSuchModel?: boolean;
  /** A signature was wrong, not a credential: there is nothing to ask the sender for. */
  unchallenged?: boolean;
  /** For the log line only. */
  reason?: string;
  /** Further response headers (`Allow`, `WWW-Authenticate`). */
  headers?: Record<string, string>;
}

/** A failure with everything that its answer needs. Message, code and param are public: they never hold a secret. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly details: ProblemDetails;

  constructor(code: ProblemCode, message: string, details: ProblemDetails = {}) {
    super(message);
    this.name = "Problem";
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return PROBLEMS[this.code][0];
  }

  /** `x-should-retry: false` where a retry is hopeless or might be paid twice (OpenAI's SDKs obey it). */
  get mayRetry(): boolean {
    return !NON_RETRYABLE.has(this.code) && this.details.paid !== "maybe";
  }

  /** The body of contract section 8: all strings, since one SDK hides errors whose code or param is null. */
  body(requestId: string): ProblemBody {
    return {
      error: {
        message: this.message,
        type: PROBLEMS[this.code][1],
        code: this.details.upstreamCode ?? this.code,
        param: this.details.param ?? "",
        request_id: requestId,
      },
    };
  }

  headers(): Record<string, string> {
    const headers: Record<string, string> = { ...this.details.headers };
    if (this.code === "invalid_credentials" && this.details.unchallenged !== true)
      headers["www-authenticate"] = "Bearer";
    if (this.details.retryAfter !== undefined) headers["retry-after"] = String(this.details.retryAfter);
    if (!this.mayRetry) headers["x-should-retry"] = "false";
    return headers;
  }
}

/** A conversation that would fill an isolate's memory is not read to its end. */
export function conversationTooLong(): Problem {
  return new Problem(
    "conversation_too_long",
    "This conversation holds more than can be read at once. Start a new one without previous_response_id.",
    {
      param: "previous_response_id",
    },
  );
}

/** Whatever is not there, or not shown to this caller. */
export function routeNotFound(): Problem {
  return new Problem(
    "not_found",
    "There is nothing at this address. Ask with POST /ask, or with an OpenAI SDK by POST /v1/responses; /docs has every route.",
  );
}

/** @param allow the methods that the path has, as in the `Allow` header */
export function methodNotAllowed(allow: string): Problem {
  return new Problem("method_not_allowed", `This address takes ${allow}.`, { headers: { allow } });
}

/**
 * What was thrown, as a Problem; anything that is none is a fault of ours and says nothing of itself to the caller.
 * @param asked upstream had been asked by then, so that the call may have been paid
 */
export function asProblem(thrown: unknown, asked = false): Problem {
  if (thrown instanceof Problem) return thrown;
  const reason = `uncaught ${thrown instanceof Error ? thrown.name : typeof thrown}`;
  if (asked) {
    return new Problem(
      "internal_error",
      "Something went wrong with UniAPI's answer inside this Worker. The call may have been paid; quote the request_id if it stays.",
      {
        paid: "maybe",
        reason,
      },
    );
  }
  return new Problem(
    "internal_error",
    "Something went wrong inside this Worker. Try again, and quote the request_id if it stays.",
    {
      reason,
    },
  );
}
