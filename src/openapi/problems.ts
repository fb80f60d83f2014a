// Every failure of core/problem.ts as OpenAPI answers, one for each status. A new code appears by itself, in the table and on every
// route; a row here says what it means, or keeps a status from routes that can't give it.
import type { JsonObject } from "../core/lib/json.ts";
import { type ProblemCode, PROBLEMS } from "../core/lib/problem.ts";
import { headersOf } from "./headers.ts";

/**
 * What an operation can fail at, beside what every one can: a body, UniAPI, an id that is not there, a repeat that is none, a stream
 * that can't go on, a signature.
 */
export type FailureKind = "body" | "upstream" | "id" | "repeat" | "resume" | "signature";

/** By code, as text: a row may be here before its code. */
const MEANINGS: Record<string, string> = {
  invalid_json: "the body is no valid JSON",
  invalid_request: "a field has a value that it can't have, or is missing: see `param`",
  unknown_parameter: "a field that this route, or this caller, does not have: see `param`",
  input_too_deep: "the JSON nests deeper than 32",
  previous_response_not_found: "no such turn of yours: the id is wrong, has expired or was deleted",
  model_not_allowed: "the config does not list this model",
  conversation_too_long: "start a new one without `previous_response_id`",
  upstream_rejected: "UniAPI refused the request; where it gave a code of its own, that stands here instead",
  invalid_credentials:
    "send this Worker's own key or token, not your UniAPI key; from a webhook: the signature is not good",
  origin_not_allowed: "the page's origin is not in `origins` of the config",
  insufficient_scope: "this kind of credential can't use this route",
  not_found: "there is nothing at this address",
  response_not_found: "no such response of yours",
  method_not_allowed: "see `Allow`",
  request_timeout: "the body took longer than ten seconds to arrive",
  stream_lost: "`Last-Event-ID` names a stream that can't be continued; nothing was begun",
  payload_too_large: "the body is larger than this caller may send",
  unsupported_media_type: "the type, charset or encoding of the body is not understood",
  idempotency_key_reused: "another body was sent with this `Idempotency-Key` before",
  rate_limited: "too many requests: wait for `Retry-After`",
  budget_exceeded: "a limit of this caller is used up; the message says which",
  upstream_rate_limited: "UniAPI is asked too often: wait for `Retry-After`",
  internal_error: "a fault of this Worker: quote the request_id",
  upstream_error: "UniAPI or the model failed; the call may have been paid",
  upstream_invalid_response: "UniAPI sent what is no answer",
  upstream_auth: "UniAPI refused this Worker's own key: its owner must act",
  upstream_quota: "the UniAPI account has no credit or no access: its owner must act",
  misconfigured: "a setting of this Worker is wrong; the message names it",
  paused: "its owner has stopped all paid routes",
  unavailable: "a part of this Worker can't be reached: try again",
  upstream_unavailable: "UniAPI is not available, or has no channel for the model",
  upstream_timeout: "UniAPI took too long; the call may have been paid",
};

/** Headers of `components.headers` by status, beside what every error has. */
const HEADERS: Record<number, readonly string[]> = {
  401: ["www-authenticate"],
  405: ["allow"],
  429: ["retry-after"],
  503: ["retry-after"],
};

const ROWS: readonly (readonly [code: string, status: number, type: string])[] = Object.entries(PROBLEMS).map(
  ([code, [status, type]]) => [code, status, type],
);
const STATUSES = [...new Set(ROWS.map(([, status]) => status))];

/** Statuses that only some operations can give; any other may come from all of them. */
const IS_POSSIBLE: Record<number, (fails: readonly FailureKind[], isPublic: boolean) => boolean> = {
  400: (fails) => fails.length > 0,
  401: (fails, isPublic) => !isPublic || fails.includes("signature"),
  403: (_, isPublic) => !isPublic,
  404: (fails) => fails.includes("id"),
  // Told by another method's absence, so by no operation.
  405: () => false,
  408: (fails) => fails.includes("body"),
  409: (fails) => fails.includes("resume"),
  413: (fails) => fails.includes("body"),
  415: (fails) => fails.includes("body"),
  422: (fails) => fails.includes("repeat"),
  429: (fails, isPublic) => fails.length > 0 || !isPublic,
  502: (fails) => fails.includes("upstream"),
  504: (fails) => fails.includes("upstream"),
};

const REQUEST_ID = "req_bcfb38fa6f8522556bf017ad";

type Content = Record<string, JsonObject>;

/**
 * References to `components.responses`, or the answer itself where the operation has examples of it.
 * @param shown those examples by status
 */
export function problemResponses(
  fails: readonly FailureKind[],
  isPublic: boolean,
  shown: (status: number) => JsonObject | undefined,
): JsonObject {
  const possible = STATUSES.filter((status) => IS_POSSIBLE[status]?.(fails, isPublic) ?? true);
  return Object.fromEntries(
    possible.map((status) => {
      const examples = shown(status);
      if (examples === undefined) return [status, { $ref: `#/components/responses/Problem${status}` }];
      return [status, problemResponse(status, { "application/json": { schema: problemSchema(status), examples } })];
    }),
  );
}

/** `components.responses`. */
export function problemComponents(): JsonObject {
  return Object.fromEntries(
    STATUSES.map((status) => [
      `Problem${status}`,
      problemResponse(status, { "application/json": { schema: problemSchema(status) } }),
    ]),
  );
}

function problemResponse(status: number, content: Content): JsonObject {
  const lines = codesOf(status).map((code) => `* \`${code}\`${code in MEANINGS ? `: ${MEANINGS[code]}` : ""}`);
  return { description: lines.join("\n"), headers: headersOf([...(HEADERS[status] ?? []), "x-should-retry"]), content };
}

/** A 400 can carry UniAPI's own code. */
function problemSchema(status: number): JsonObject {
  const any = { $ref: "#/components/schemas/Problem" };
  if (status === 400) return any;
  return { allOf: [any, { properties: { error: { properties: { code: { enum: codesOf(status) } } } } }] };
}

function codesOf(status: number): string[] {
  return ROWS.filter(([, its]) => its === status).map(([code]) => code);
}

/** The body of an error, for an example. */
export function problemExample(code: ProblemCode, message: string, param = ""): JsonObject {
  return { error: { message, type: PROBLEMS[code][1], code, param, request_id: REQUEST_ID } };
}

export const RESPONSE_NOT_FOUND = problemExample(
  "response_not_found",
  "There is no answer with this id: it was never given to this caller, or its time in memory is over.",
  "id",
);

/** The table of all codes, in Markdown. */
export function problemTable(): string {
  const lines = ROWS.map(
    ([code, status, type]) => `| ${status} | \`${code}\` | \`${type}\` | ${MEANINGS[code] ?? ""} |`,
  );
  return ["| status | `code` | `type` | meaning |", "|---|---|---|---|", ...lines].join("\n");
}
