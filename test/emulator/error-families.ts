// A family of the menu: what went wrong, the form in which it is reported, and the place where it is reported.
import { isTerminal, responseIn } from "./events.ts";
import type { Call, Hooks } from "./fault.ts";
import { asObjects, type JsonObject, without } from "./json.ts";
import { jsonScript, type Script, sseScript, textScript } from "./script.ts";

export type ReportedError = {
  readonly status: number;
  readonly code: string;
  readonly type: string;
  readonly param: string | null;
  readonly message: string;
};

/** By the first words of the name. */
export const WHATS: Record<string, ReportedError> = {
  "rate-limit": {
    status: 429,
    code: "rate_limit_exceeded",
    type: "requests",
    param: null,
    message: "Rate limit reached for this model. Please try again in 7.1s.",
  },
  quota: {
    status: 429,
    code: "insufficient_quota",
    type: "insufficient_quota",
    param: null,
    message: "You exceeded your current quota, please check your plan and billing details.",
  },
  context: {
    status: 400,
    code: "context_length_exceeded",
    type: "invalid_request_error",
    param: "input",
    message: "Your input exceeds the context window of this model.",
  },
  "bad-field": {
    status: 400,
    code: "unknown_parameter",
    type: "invalid_request_error",
    param: "frobnicate",
    message: "Unknown parameter: 'frobnicate'.",
  },
  "server-error": {
    status: 500,
    code: "server_error",
    type: "server_error",
    param: null,
    message: "The server had an error while processing your request.",
  },
};

const fieldsOf = ({ code, type, param, message }: ReportedError): JsonObject => ({ code, type, param, message });

/** The body of a refusal, or undefined for plain text. By the words after `-as-`. */
export const DRESSES: Record<string, (error: ReportedError) => JsonObject | undefined> = {
  error: (error) => ({ error: fieldsOf(error) }),
  flat: fieldsOf,
  nested: (error) => ({ error: { error: fieldsOf(error) } }),
  errors: (error) => ({ errors: [fieldsOf(error)] }),
  "json-in-text": (error) => ({
    error: { message: JSON.stringify({ error: fieldsOf(error) }), type: "relay_error", code: null, param: null },
  }),
  anthropic: (error) => ({ type: "error", error: fieldsOf(error) }),
  vllm: (error) => ({ object: "error", ...fieldsOf(error) }),
  "code-number-text": (error) => ({ error: { code: String(error.status), message: error.message } }),
  "code-number": (error) => ({ error: { code: error.status, message: error.message } }),
  "detail-error": (error) => ({ detail: { error: fieldsOf(error) } }),
  "error-text": (error) => ({ error: error.message }),
  message: (error) => ({ message: error.message }),
  msg: (error) => ({ code: error.status, msg: error.message, success: false }),
  detail: (error) => ({ detail: error.message }),
  "detail-list": (error) => ({
    detail: [{ type: "value_error", loc: ["body", error.param ?? "input"], msg: error.message }],
  }),
  text: () => undefined,
};

export const PLACES = ["status", "200", "event", "failed", "late-event", "late-failed"] as const;
type Place = (typeof PLACES)[number];

const withStatus = (error: ReportedError, status: number, body: JsonObject | undefined): Script =>
  body === undefined ? textScript(status, error.message, { "content-type": "text/plain" }) : jsonScript(status, body);

const head = (): JsonObject => ({
  id: "resp_refused",
  object: "response",
  created_at: Math.floor(Date.now() / 1000),
  status: "in_progress",
  model: "emulator",
  output: [],
});

/** What is in `error` of a failed response, or beside it. */
const inResponse = (body: JsonObject): JsonObject => ("error" in body ? body : without(body, "type"));

function early(error: ReportedError, body: JsonObject, place: Place, call: Call): Script {
  const created = { type: "response.created", response: head() };
  const failed = { ...head(), status: "failed", ...inResponse(body) };
  if (place === "failed")
    return call.stream
      ? sseScript([created, { type: "response.failed", response: failed }], 0)
      : jsonScript(200, failed);
  return call.stream ? sseScript([created, errorEvent(body)], 0) : withStatus(error, error.status, body);
}

const errorEvent = (body: JsonObject): JsonObject => ({ ...body, type: "error" });

/** The deltas of the answer up to the first one, then the error. */
const afterOutput = (event: (terminal: JsonObject) => JsonObject): Hooks => ({
  events: (events) => {
    const delta = events.findIndex((each) => each["type"] === "response.output_text.delta");
    const end = events.find(isTerminal) ?? {};
    return [...events.slice(0, delta + 1), event(end)];
  },
});

function hooksOf(error: ReportedError, body: JsonObject | undefined, place: Place): Hooks | undefined {
  if (place === "status") return { instead: () => withStatus(error, error.status, body) };
  if (place === "200") return { instead: () => withStatus(error, 200, body) };
  if (body === undefined) return undefined;
  if (place === "event" || place === "failed") return { instead: (call) => early(error, body, place, call) };
  const failed = (response: JsonObject): JsonObject => ({
    ...response,
    status: "failed",
    output: asObjects(response["output"]).map((item) => ({ ...item, status: "incomplete" })),
    usage: null,
    ...inResponse(body),
  });
  return {
    ...afterOutput((terminal) =>
      place === "late-event"
        ? errorEvent(body)
        : { type: "response.failed", response: failed(responseIn(terminal) ?? {}) },
    ),
    json: failed,
  };
}

export type ErrorForm = { readonly what: string; readonly dress: string; readonly place: Place; readonly hooks: Hooks };

export const ERROR_FORMS: Record<string, ErrorForm> = Object.fromEntries(
  Object.entries(WHATS).flatMap(([what, error]) =>
    Object.entries(DRESSES).flatMap(([dress, body]) =>
      PLACES.flatMap((place): [string, ErrorForm][] => {
        const hooks = hooksOf(error, body(error), place);
        const name = `${what}-as-${dress}${place === "status" ? "" : `-in-${place}`}`;
        return hooks ? [[name, { what, dress, place, hooks }]] : [];
      }),
    ),
  ),
);
