// An error of upstream means the same in every form and in every place in which a relay can put it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorFields } from "../../src/core/upstream/error-fields.ts";
import { upstreamProblem } from "../../src/core/upstream/upstream-error.ts";

interface ReportedError {
  status: number;
  code: string;
  type: string;
  param: string | null;
  message: string;
}

/** Errors of OpenAI, and what callers of /ask get. */
const ERRORS: readonly (readonly [ReportedError, string])[] = [
  [
    reported(429, "rate_limit_exceeded", "requests", "Rate limit reached. Please try again in 7.1s."),
    "429 upstream_rate_limited unpaid",
  ],
  [
    reported(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "502 upstream_quota unpaid",
  ],
  [
    reported(
      400,
      "context_length_exceeded",
      "invalid_request_error",
      "Your input exceeds the context window.",
      "input",
    ),
    "400 context_length_exceeded unpaid",
  ],
  [
    reported(400, "unknown_parameter", "invalid_request_error", "Unknown parameter: 'frobnicate'.", "frobnicate"),
    "400 unknown_parameter unpaid",
  ],
  [reported(503, "server_is_overloaded", "service_unavailable_error", "Come back."), "503 upstream_unavailable unpaid"],
  [reported(401, "invalid_api_key", "invalid_request_error", "Incorrect API key."), "502 upstream_auth unpaid"],
  [reported(500, "server_error", "server_error", "The server had an error."), "502 upstream_error maybe"],
];

function reported(
  status: number,
  code: string,
  type: string,
  message: string,
  param: string | null = null,
): ReportedError {
  return { status, code, type, param, message };
}

/** Forms that keep the code. */
const FORMS: Record<string, (error: object) => unknown> = {
  "{error:{…}}": (error) => ({ error }),
  flat: (error) => error,
  "an event": (error) => ({ ...error, type: "error", sequence_number: 3 }),
  "{error:{error:{…}}}": (error) => ({ error: { error } }),
  "{detail:{error:{…}}}": (error) => ({ detail: { error } }),
  "{errors:[{…}]}": (error) => ({ success: false, errors: [error] }),
  "[{error:{…}}]": (error) => [{ error }],
  "a failed response": (error) => ({
    id: "resp_1",
    object: "response",
    status: "failed",
    output: [],
    usage: null,
    error,
  }),
  "response.failed": (error) => ({
    type: "response.failed",
    response: { id: "resp_1", object: "response", status: "failed", output: [], error },
  }),
  "JSON in the message": (error) => ({
    error: { message: JSON.stringify({ error }), type: "relay_error", code: null, param: null },
  }),
  "JSON after words": (error) => ({
    error: { message: `bad response status code 500, body: ${JSON.stringify({ error })}`, type: "upstream_error" },
  }),
  "JSON in the metadata of another error": (error) => ({
    error: { message: "Provider returned error", metadata: { raw: JSON.stringify({ error }), provider_name: "x" } },
  }),
  "an event stream as text": (error) =>
    `: ping\n\nevent: error\ndata: ${JSON.stringify({ error })}\n\ndata: [DONE]\n\n`,
};

describe.each(ERRORS)("$code", (error, expected) => {
  const { status, ...fields } = error;
  test.each(Object.keys(FORMS))("as %s means the same with its own status, 200, 400 and 500", (form) => {
    const body = FORMS[form]?.(fields);
    for (const httpStatus of [status, 200, 500, ...(error.code === "server_error" ? [] : [400])]) {
      const problem = upstreamProblem({ status: httpStatus, body }, []);
      expect([httpStatus, `${problem.status} ${problem.body("r").error.code} ${problem.details.paid}`]).toEqual([
        httpStatus,
        expected,
      ]);
      expect(problem.body("r").error.param).toBe(fields.param ?? "");
      if (problem.status === 400) expect(problem.message).toBe(fields.message);
      if (problem.status === 429) expect(problem.details.retryAfter).toBe(8);
    }
  });
});

describe("an error in another form", () => {
  test.each<[string, unknown, object]>([
    ["FastAPI's text", { detail: "That field is not known here." }, { message: "That field is not known here." }],
    [
      "FastAPI's list",
      { detail: [{ type: "missing", loc: ["body", "tools", 0, "name"], msg: "Field required", input: { secret: 1 } }] },
      { message: "Field required", type: "missing", param: "tools[0].name" },
    ],
    ["a `msg`", { msg: "No." }, { message: "No." }],
    ["error as text", { error: "No." }, { message: "No." }],
    ["error as a code", { error: "rate_limit_exceeded" }, { code: "rate_limit_exceeded" }],
    [
      "an error's name beside its message",
      { statusCode: 400, error: "Bad Request", message: "body must have input" },
      { status: 400, message: "body must have input" },
    ],
    [
      "NestJS's list",
      { statusCode: 400, error: "Bad Request", message: ["input should not be empty", "x"] },
      { status: 400, message: "input should not be empty" },
    ],
    ["a flag beside a message", { error: true, success: false, message: "No." }, { message: "No." }],
    [
      "OAuth's error",
      { error: "invalid_request", error_description: "No input." },
      { code: "invalid_request", message: "No input." },
    ],
    [
      "Google's list",
      [{ error: { code: 429, message: "Slowly.", status: "RESOURCE_EXHAUSTED" } }],
      { status: 429, message: "Slowly." },
    ],
    [
      "MiniMax's status",
      { base_resp: { status_code: 1002, status_msg: "rate limit" } },
      { code: "rate_limit_exceeded", message: "rate limit" },
    ],
    [
      "Cloudflare's list",
      { success: false, errors: [{ code: 10_000, message: "No." }] },
      { code: "10000", message: "No." },
    ],
    [
      "a problem of RFC 9457",
      { type: "about:blank", title: "Bad Request", status: 400, detail: "No." },
      { type: "about:blank", status: 400, message: "No." },
    ],
    [
      "a problem of RFC 9457 that has only a title",
      { title: "Unknown field 'x'", status: 400 },
      { status: 400, message: "Unknown field 'x'" },
    ],
    ["a reason", { reason: "Unknown field 'x'" }, { message: "Unknown field 'x'" }],
    [
      "Google's field violations",
      {
        error: {
          code: 400,
          message: "Invalid.",
          status: "INVALID_ARGUMENT",
          details: [{ reason: "x" }, { fieldViolations: [{ field: "tools[0].name", description: "Too long." }] }],
        },
      },
      { status: 400, param: "tools[0].name", message: "Invalid." },
    ],
    [
      "Google's field violations without a message",
      { error: { details: [{ fieldViolations: [{ field: "input", description: "Too long." }] }] } },
      { param: "input", message: "Too long." },
    ],
    [
      "a list of errors with paths",
      { errors: [{ path: ["tools", 0, "name"], message: "Required" }] },
      { param: "tools[0].name", message: "Required" },
    ],
    ["an error with a field", { field: "store", message: "No." }, { param: "store", message: "No." }],
    ["an error with a pointer", { source: { pointer: "/store" }, message: "No." }, { param: "/store", message: "No." }],
    ["details with a field", { details: [{ field: "store" }], message: "No." }, { param: "store", message: "No." }],
    [
      "lists of messages by field",
      { title: "Validation failed.", status: 400, errors: { store: ["Unknown."] } },
      { status: 400, param: "store", message: "Validation failed." },
    ],
    ["a URL's path", { status: 404, error: "Not Found", path: "/v1/responses" }, { status: 404, message: "Not Found" }],
    ["a page", "<!DOCTYPE html><title>502</title>", {}],
    ["a complete response", { id: "resp_1", object: "response", status: "completed", output: [], error: null }, {}],
    [
      "a failed response whose metadata looks like an error",
      { status: "failed", output: [], metadata: { raw: '{"code":"rate_limit_exceeded"}' } },
      {},
    ],
  ])("%s has the expected fields", (_, body, expected) => {
    expect(errorFields(body)).toEqual({ code: "", type: "", param: "", message: "", ...expected });
  });

  test("that has only a text reaches the caller in its own words, without secrets", () => {
    const words = `That field is not known here. ${"It never was, and nobody asked for it. ".repeat(4)}`.trim();
    for (const body of [{ detail: words }, { error: words }, { message: words }, words]) {
      const problem = upstreamProblem({ status: 400, body }, []);
      expect([problem.code, problem.message]).toEqual(["upstream_rejected", words]);
    }
    const problem = upstreamProblem({ status: 400, body: { detail: `${words} Key sk-canary-4f9d2c7b` } }, []);
    expect(problem.message).toBe(`${words} Key [redacted]`);
  });
});

describe("reading an error", () => {
  test("never throws, and gives fields that are texts", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.jsonValue(), fc.json()), (body) => {
        const { status, ...texts } = errorFields(body);
        for (const text of Object.values(texts)) expect(typeof text).toBe("string");
        if (status !== undefined) expect(status).toBeGreaterThanOrEqual(400);
      }),
    );
  });

  test("ends for an error that is nested without end, or contains itself as JSON", () => {
    let nested: unknown = { code: "deep", message: "deep" };
    for (let depth = 0; depth < 10_000; depth += 1) nested = { error: nested };
    expect(errorFields(nested).code).toBe("");
    let text = JSON.stringify({ code: "deep", message: "deep" });
    for (let depth = 0; depth < 12; depth += 1) text = JSON.stringify({ message: text });
    expect(errorFields(text).code).toBe("");
    const loop: Record<string, unknown> = {};
    loop["error"] = loop;
    expect(errorFields(loop)).toEqual({ code: "", type: "", param: "", message: "" });
  });

  test("takes linear time", () => {
    const began = performance.now();
    for (const body of [
      "{".repeat(60_000),
      "[{".repeat(30_000),
      `${"a\n".repeat(30_000)}{}`,
      { message: "in 1".repeat(20_000) },
    ])
      upstreamProblem({ status: 429, body }, []);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
