// Errors on OpenAI's routes. Their clients compare OpenAI's own pairs of `type` and `code`. So a Problem gets the pair that OpenAI sends
// for the same failure, and our code moves to `detail_code` (docs/contract.md §8).
import type { ProblemBody } from "../../contract/problem.ts";
import type { Problem, ProblemCode } from "./problem.ts";

/** OpenAI's `type` and `code` of an error, and OpenAI's status if it differs from ours. */
type OpenAiError = readonly [type: string, code: string, status?: number];

const QUOTA: OpenAiError = ["insufficient_quota", "insufficient_quota", 429];
const RATE_LIMIT: OpenAiError = ["rate_limit_error", "rate_limit_exceeded"];

/** The problems for which OpenAI has a pair of its own. */
const OPENAI_ERRORS: Partial<Record<ProblemCode, OpenAiError>> = {
  invalid_credentials: ["invalid_request_error", "invalid_api_key"],
  rate_limited: RATE_LIMIT,
  upstream_rate_limited: RATE_LIMIT,
  budget_exceeded: QUOTA,
  upstream_quota: QUOTA,
};
/** The pairs of all other problems, by status. A problem whose status is not listed has our own type and code. */
const BY_STATUS: Readonly<Record<number, OpenAiError>> = {
  500: ["server_error", "server_error"],
  502: ["server_error", "server_error"],
  503: ["service_unavailable_error", "server_is_overloaded"],
  504: ["server_error", "server_error"],
};

/** Returns the HTTP status of a problem on OpenAI's routes: an exhausted account is a 429 there. */
export function openAiStatus(problem: Problem): number {
  return pairOf(problem)?.[2] ?? problem.status;
}

/** Returns the error's body on OpenAI's routes. It is the body of an HTTP error, and has the `error` of an event. */
export function openAiErrorBody(problem: Problem, requestId: string): ProblemBody {
  const { error } = problem.body(requestId);
  const [type, code] = pairOf(problem) ?? [error.type, error.code];
  return { error: { ...error, type, code, detail_code: problem.code } };
}

function pairOf(problem: Problem): OpenAiError | undefined {
  return OPENAI_ERRORS[problem.code] ?? BY_STATUS[problem.status];
}
