// Converts the problems of core/lib/problem.ts into responses of OpenAPI, one per status. A new code appears automatically, in the table
// and on every route. MEANINGS explains each code. IS_POSSIBLE excludes a status from routes that never respond with it.
import type { JsonObject } from "../core/lib/json.ts";
import { openAiErrorBody, openAiStatus } from "../core/lib/openai-error.ts";
import { Problem, type ProblemCode, PROBLEMS } from "../core/lib/problem.ts";
import { headersOf } from "./headers.ts";

/**
 * The causes of an operation's failures, in addition to those of every route: the request body, UniAPI, an unknown id, a reused
 * Idempotency-Key (`repeat`), a stream that can't be resumed, or a webhook signature.
 */
export type FailureKind = "body" | "upstream" | "id" | "repeat" | "resume" | "signature";

/** Explanations by code. The keys are strings, not ProblemCode, because an explanation may be written before its code exists. */
const MEANINGS: Record<string, string> = {
  invalid_json: "The body is not valid JSON.",
  invalid_request: "A field has an invalid value, or is missing: see `param`.",
  unknown_parameter: "This route or this caller does not have that field: see `param`.",
  input_too_deep: "The JSON is nested more than 128 levels deep.",
  too_many_values: "The body has more keys and list elements than this caller may send.",
  previous_response_not_found: "You have no such turn: the id is wrong, or the turn has expired or was deleted.",
  model_not_allowed: "The config does not list this model.",
  conversation_too_long: "The conversation is too long. Start a new one without `previous_response_id`.",
  upstream_rejected: "UniAPI rejected the request. If UniAPI gave a code, `code` is that one instead.",
  invalid_credentials:
    "Send this Worker's own key or token, not your UniAPI key. For a webhook: the signature is wrong.",
  origin_not_allowed: "The page's origin is not in `origins` of the config.",
  insufficient_scope: "This kind of credential can't use this route.",
  not_found: "There is nothing at this address.",
  response_not_found: "You have no such response.",
  item_not_found: "There is no item with an id that `input` names: send the item whole.",
  model_not_found: "There is no such model for this caller: see `GET /v1/models`.",
  method_not_allowed: "The address does not have this method: see `Allow`.",
  request_timeout: "The body took longer than ten seconds to arrive.",
  stream_lost: "`Last-Event-ID` names a stream that can't be resumed. No call was started.",
  payload_too_large: "The body is larger than this caller may send.",
  unsupported_media_type: "The Worker does not support the type, charset or encoding of the body.",
  idempotency_key_reused: "A different body was sent with this `Idempotency-Key` before.",
  upgrade_required: "There is no WebSocket: send a POST with `stream: true`.",
  rate_limited: "Too many requests: wait for `Retry-After`.",
  budget_exceeded: "A limit of this caller is used up. The message says which one.",
  upstream_rate_limited: "UniAPI received too many requests: wait for `Retry-After`.",
  internal_error: "An error of this Worker: quote the `request_id`.",
  upstream_error: "UniAPI or the model failed. The call may have been billed.",
  upstream_invalid_response: "UniAPI's response can't be read.",
  upstream_auth: "UniAPI refused this Worker's own key. The Worker's owner must act.",
  upstream_quota: "The UniAPI account has no credit or no access. The Worker's owner must act.",
  misconfigured: "A setting of this Worker is wrong. The message names it.",
  paused: "The Worker's owner has stopped all paid routes.",
  unavailable: "A part of this Worker is temporarily unavailable: try again.",
  upstream_unavailable: "UniAPI is unavailable, or has no channel for the model.",
  upstream_timeout: "UniAPI took too long. The call may have been billed.",
};

/** Names of `components.headers` by status, in addition to those of every error. */
const HEADERS: Record<number, readonly string[]> = {
  401: ["www-authenticate"],
  405: ["allow"],
  429: ["retry-after"],
  503: ["retry-after"],
};

interface Row {
  /** Our code. */
  detail: string;
  status: number;
  type: string;
  code: string;
}

const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];
const ROWS: readonly Row[] = PROBLEM_CODES.map((code) => {
  const [status, type] = PROBLEMS[code];
  return { detail: code, status, type, code };
});
/** The same problems on the routes of OpenAI's API. */
const OPENAI_ROWS: readonly Row[] = PROBLEM_CODES.map((detail) => {
  const problem = new Problem(detail, "");
  const { type, code } = openAiErrorBody(problem, "").error;
  return { detail, status: openAiStatus(problem), type, code };
});
const STATUSES = [...new Set(ROWS.map(({ status }) => status))];

/** Whether a route belongs to OpenAI's API and has OpenAI's errors. */
export function isOpenAiPath(path: string): boolean {
  return path.startsWith("/v1/");
}

/** Decides by status whether an operation can respond with it. Every operation can respond with a status that is not listed. */
const IS_POSSIBLE: Record<number, (fails: readonly FailureKind[], isPublic: boolean) => boolean> = {
  400: (fails) => fails.length > 0,
  401: (fails, isPublic) => !isPublic || fails.includes("signature"),
  403: (_, isPublic) => !isPublic,
  404: (fails) => fails.includes("id") || fails.includes("repeat"),
  // A 405 means that the path does not have the method, so it is a response of no operation.
  405: () => false,
  408: (fails) => fails.includes("body"),
  409: (fails) => fails.includes("resume"),
  413: (fails) => fails.includes("body"),
  415: (fails) => fails.includes("body"),
  422: (fails) => fails.includes("repeat"),
  // A 426 answers a GET that asks for a WebSocket, and the operation at that path has another method.
  426: () => false,
  429: (fails, isPublic) => fails.length > 0 || !isPublic,
  502: (fails) => fails.includes("upstream"),
  504: (fails) => fails.includes("upstream"),
};

const REQUEST_ID = "req_bcfb38fa6f8522556bf017ad";

/**
 * Creates the error responses of an operation. If the operation has examples for a status, the response contains them. Otherwise it is a
 * reference to `components.responses`.
 * @param examplesFor returns the operation's examples for a status
 */
export function problemResponses(
  path: string,
  fails: readonly FailureKind[],
  isPublic: boolean,
  examplesFor: (status: number) => JsonObject | undefined,
): JsonObject {
  const isOpenAi = isOpenAiPath(path);
  const possible = STATUSES.filter((status) => IS_POSSIBLE[status]?.(fails, isPublic) ?? true);
  return Object.fromEntries(
    possible.map((status) => {
      const examples = examplesFor(status);
      if (examples === undefined) return [status, { $ref: `#/components/responses/${nameOf(status, isOpenAi)}` }];
      return [status, problemResponse(status, isOpenAi, examples)];
    }),
  );
}

/** `components.responses`. */
export function problemComponents(): JsonObject {
  return Object.fromEntries(
    [false, true].flatMap((isOpenAi) =>
      STATUSES.map((status) => [nameOf(status, isOpenAi), problemResponse(status, isOpenAi)]),
    ),
  );
}

function nameOf(status: number, isOpenAi: boolean): string {
  return `${isOpenAi ? "OpenAi" : ""}Problem${status}`;
}

function problemResponse(status: number, isOpenAi: boolean, examples?: JsonObject): JsonObject {
  const rows = (isOpenAi ? OPENAI_ROWS : ROWS).filter((row) => row.status === status);
  const lines = rows.map(({ code, detail }) => {
    const names = code === detail ? `\`${code}\`` : `\`${code}\` (\`${detail}\`)`;
    return `* ${names}${detail in MEANINGS ? `: ${MEANINGS[detail]}` : ""}`;
  });
  return {
    description: lines.join("\n"),
    headers: headersOf([...(HEADERS[status] ?? []), "x-should-retry"]),
    content: {
      "application/json": {
        schema: problemSchema(status, isOpenAi, rows),
        ...(examples === undefined ? {} : { examples }),
      },
    },
  };
}

/** Creates the schema of an error with its possible codes. A 400 may have a code of UniAPI, so its `code` can be any string. */
function problemSchema(status: number, isOpenAi: boolean, rows: readonly Row[]): JsonObject {
  const envelope = { $ref: "#/components/schemas/Problem" };
  if (status === 400 && !isOpenAi) return envelope;
  const codes = { enum: [...new Set(rows.map(({ code }) => code))] };
  const details = { detail_code: { enum: rows.map(({ detail }) => detail) } };
  const properties = { ...(status === 400 ? {} : { code: codes }), ...(isOpenAi ? details : {}) };
  const error = isOpenAi ? { required: ["detail_code"], properties } : { properties };
  return { allOf: [envelope, { properties: { error } }] };
}

/** Creates an example of an error body. */
export function problemExample(code: ProblemCode, message: string, param = ""): JsonObject {
  return { error: { message, type: PROBLEMS[code][1], code, param, request_id: REQUEST_ID } };
}

/** Converts an example of an error body into that of OpenAI's routes. */
export function openAiExample(example: unknown): JsonObject {
  const { code, message, param } = (example as { error: { code: ProblemCode; message: string; param: string } }).error;
  return openAiErrorBody(new Problem(code, message, { param }), REQUEST_ID);
}

export const RESPONSE_NOT_FOUND = problemExample(
  "response_not_found",
  "There is no answer with this id for this caller. Check the id; the answer may have expired or been deleted.",
  "id",
);

/** Creates the table of all codes, in Markdown. */
export function problemTable(): string {
  const lines = ROWS.map(
    ({ detail, status, type }) => `| ${status} | \`${detail}\` | \`${type}\` | ${MEANINGS[detail] ?? ""} |`,
  );
  return ["| status | `code` | `type` | meaning |", "|---|---|---|---|", ...lines].join("\n");
}

/** Creates the table of the codes that differ on OpenAI's routes, in Markdown. */
export function openAiTable(): string {
  const lines = OPENAI_ROWS.filter(({ code, detail }) => code !== detail).map(
    ({ detail, status, type, code }) => `| \`${detail}\` | ${status} | \`${type}\` | \`${code}\` |`,
  );
  return ["| `detail_code` | status | `type` | `code` |", "|---|---|---|---|", ...lines].join("\n");
}
