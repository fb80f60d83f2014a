// Every error that a caller can get: its code, status, type and body. A code that is not in PROBLEMS does not compile.
// This module does not know the causes of errors; upstream-error.ts translates UniAPI's errors.

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
  too_many_values: [400, "invalid_request_error"],
  previous_response_not_found: [400, "invalid_request_error"],
  model_not_allowed: [400, "invalid_request_error"],
  conversation_too_long: [400, "invalid_request_error"],
  upstream_rejected: [400, "invalid_request_error"],
  invalid_credentials: [401, "authentication_error"],
  origin_not_allowed: [403, "permission_error"],
  insufficient_scope: [403, "permission_error"],
  not_found: [404, "invalid_request_error"],
  response_not_found: [404, "invalid_request_error"],
  item_not_found: [404, "invalid_request_error"],
  model_not_found: [404, "invalid_request_error"],
  method_not_allowed: [405, "invalid_request_error"],
  request_timeout: [408, "invalid_request_error"],
  stream_lost: [409, "invalid_request_error"],
  payload_too_large: [413, "invalid_request_error"],
  unsupported_media_type: [415, "invalid_request_error"],
  idempotency_key_reused: [422, "invalid_request_error"],
  upgrade_required: [426, "invalid_request_error"],
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

/** Codes for which a retry is pointless, although clients retry their statuses. */
const NON_RETRYABLE: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "request_timeout",
  "stream_lost",
  "budget_exceeded",
  "upstream_quota",
  "upstream_auth",
  "misconfigured",
]);

export interface ProblemDetails {
  /** The field of the request that is wrong. */
  param?: string;
  /** Upstream's own code, shown instead of this Worker's code. Only a 400 has one. */
  upstreamCode?: string;
  /** Seconds after which a retry makes sense, sent as `Retry-After`. */
  retryAfter?: number;
  /** The seconds of upstream's own `Retry-After`. Absent if upstream sent none; `retryAfter` may then be from its message, or a guess. */
  upstreamRetryAfter?: number;
  /** Whether upstream may have billed the failed call; absent if upstream was not called. */
  paid?: "unpaid" | "maybe";
  /** Upstream has no such model or no channel for it, so a fallback model may be tried. */
  noSuchModel?: boolean;
  /** What upstream's unpaid refusal is about (src/core/upstream/refusal.ts). */
  refusalOf?: "parent" | "calls" | "items";
  /** Omits `WWW-Authenticate`, because a webhook's sender has no credential to send instead of its wrong signature. */
  omitChallenge?: boolean;
  /** Shown only in the log line, never to a caller. */
  reason?: string;
  /** Further response headers (`Allow`, `WWW-Authenticate`). */
  headers?: Record<string, string>;
}

/** An error with everything that its response needs. Message, code and param are public and never contain a secret. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly details: ProblemDetails;

  /** @param options `cause` is the unexpected error behind the problem. Its stack is logged, and callers never see it. */
  constructor(code: ProblemCode, message: string, details: ProblemDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "Problem";
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return PROBLEMS[this.code][0];
  }

  /**
   * False if a retry might be billed twice, or if it is pointless although clients retry this status. Sent as `x-should-retry: false`,
   * which OpenAI's SDKs obey.
   */
  get isRetryable(): boolean {
    return !NON_RETRYABLE.has(this.code) && this.details.paid !== "maybe";
  }

  /** The body of docs/contract.md §8. All values are strings, since one SDK hides errors whose code or param is null. */
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
    if (this.code === "invalid_credentials" && this.details.omitChallenge !== true)
      headers["www-authenticate"] = "Bearer";
    if (this.details.retryAfter !== undefined) headers["retry-after"] = String(this.details.retryAfter);
    if (!this.isRetryable) headers["x-should-retry"] = "false";
    return headers;
  }
}

/** The problem for a chain that is too large for an isolate's memory. */
export function conversationTooLong(): Problem {
  return new Problem(
    "conversation_too_long",
    "This conversation is too large to read. Start a new one without previous_response_id.",
    {
      param: "previous_response_id",
    },
  );
}

/** The problem for a path that does not exist or is hidden from this caller. */
export function routeNotFound(): Problem {
  return new Problem(
    "not_found",
    "There is nothing at this address. Use POST /ask, or POST /v1/responses with an OpenAI SDK; /docs lists every route.",
  );
}

/** The problem for a method that the path does not have. @param methods the methods that it has */
export function unsupportedMethod(methods: readonly string[]): Problem {
  const allow = methods.join(", ");
  return new Problem("method_not_allowed", `This address does not support this method. Use one of: ${allow}.`, {
    headers: { allow },
  });
}

/**
 * Converts a thrown value to a Problem. Any value other than a Problem is a defect of this Worker. It becomes the `cause` of an
 * internal_error, whose message reveals nothing about it.
 * @param upstreamCalled whether upstream was called before the throw, in which case the call may have been paid
 */
export function toProblem(thrown: unknown, upstreamCalled = false): Problem {
  if (isProblem(thrown)) return thrown;
  const reason = `uncaught ${errorNameOf(thrown)}`;
  if (upstreamCalled) {
    return new Problem(
      "internal_error",
      "Something went wrong inside this Worker after it called UniAPI. The call may have been billed; if the error persists, report its request_id.",
      { paid: "maybe", reason },
      { cause: thrown },
    );
  }
  return new Problem(
    "internal_error",
    "Something went wrong inside this Worker. Try again; if the error persists, report its request_id.",
    { reason },
    { cause: thrown },
  );
}

function isProblem(thrown: unknown): thrown is Problem {
  try {
    return thrown instanceof Problem;
  } catch {
    // `instanceof` throws if the value is a proxy whose trap throws.
    return false;
  }
}

/**
 * Returns an error's class name for the log, or the type of any other thrown value. Other code can set `name` to anything, such as a
 * caller's words or a key. So a name that does not look like an error class is replaced with "Error".
 */
export function errorNameOf(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return typeof thrown;
    const name: unknown = thrown.name;
    return typeof name === "string" && /^[A-Za-z]{0,50}(?:Error|Exception|Problem)$/.test(name) ? name : "Error";
  } catch {
    // A getter or a proxy's trap threw.
    return "Error";
  }
}
