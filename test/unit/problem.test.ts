// Errors as callers get them: a body of strings, a status, and whether a retry makes sense.
import { describe, expect, test } from "vitest";
import {
  Problem,
  type ProblemCode,
  type ProblemDetails,
  PROBLEMS,
  toProblem,
  unsupportedMethod,
} from "../../src/core/lib/problem.ts";
import { openAiErrorBody, openAiStatus } from "../../src/core/lib/openai-error.ts";
import { openApiDocument } from "../../src/openapi/document.ts";

const CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** The types that OpenAI's SDKs expect for a status. */
const TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "invalid_request_error",
  405: "invalid_request_error",
  408: "invalid_request_error",
  409: "invalid_request_error",
  413: "invalid_request_error",
  415: "invalid_request_error",
  422: "invalid_request_error",
  426: "invalid_request_error",
  429: "rate_limit_error",
  500: "server_error",
  502: "server_error",
  503: "server_error",
  504: "server_error",
};

/** OpenAI's SDKs retry the statuses of these codes, but another try is pointless until something else changes. */
const NON_RETRYABLE: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "request_timeout",
  "stream_lost",
  "budget_exceeded",
  "upstream_quota",
  "upstream_auth",
  "misconfigured",
]);

describe("each problem code", () => {
  test.each(CODES)("%s has the type of its status, and a body of its own", (code) => {
    const problem = new Problem(code, "What to do.");
    expect(TYPES).toHaveProperty(String(problem.status));
    expect(problem.body("req_1")).toEqual({
      error: { message: "What to do.", type: TYPES[problem.status], code, param: "", request_id: "req_1" },
    });
  });

  test.each(CODES)("%s may be retried, unless that is pointless or the call may have been paid", (code) => {
    const shouldRetry = (details: ProblemDetails): string | undefined =>
      new Problem(code, "", details).headers()["x-should-retry"];
    const expected = NON_RETRYABLE.has(code) ? "false" : undefined;
    expect(shouldRetry({})).toBe(expected);
    expect(shouldRetry({ paid: "unpaid" })).toBe(expected);
    expect(shouldRetry({ paid: "maybe" })).toBe("false");
  });

  test("the document lists every code once, with its status, its type and a meaning", () => {
    const { info, components } = openApiDocument("1.0.0") as {
      info: { description: string };
      components: { responses: Record<string, { description: string }> };
    };
    const rows = [...info.description.matchAll(/^\| (\d+) \| `(\w+)` \| `(\w+)` \| (.*) \|$/gm)];
    expect(rows.map(([, status, code]) => [code, Number(status)])).toEqual(
      CODES.map((code) => [code, new Problem(code, "").status]),
    );
    for (const [, status = "", code = "", type, meaning = ""] of rows) {
      expect(type, code).toBe(TYPES[Number(status)]);
      expect(meaning.length, code).toBeGreaterThan(5);
      expect(components.responses[`Problem${status}`]?.description, code).toContain(`* \`${code}\`: ${meaning}`);
    }
  });
});

/** OpenAI's pairs for problems that OpenAI has too, and the status if ours is another one. */
const PAIRS: Partial<Record<ProblemCode, readonly [type: string, code: string, status?: number]>> = {
  invalid_credentials: ["invalid_request_error", "invalid_api_key"],
  rate_limited: ["rate_limit_error", "rate_limit_exceeded"],
  upstream_rate_limited: ["rate_limit_error", "rate_limit_exceeded"],
  budget_exceeded: ["insufficient_quota", "insufficient_quota"],
  upstream_quota: ["insufficient_quota", "insufficient_quota", 429],
  internal_error: ["server_error", "server_error"],
  upstream_error: ["server_error", "server_error"],
  upstream_invalid_response: ["server_error", "server_error"],
  upstream_auth: ["server_error", "server_error"],
  upstream_timeout: ["server_error", "server_error"],
  misconfigured: ["service_unavailable_error", "server_is_overloaded"],
  paused: ["service_unavailable_error", "server_is_overloaded"],
  unavailable: ["service_unavailable_error", "server_is_overloaded"],
  upstream_unavailable: ["service_unavailable_error", "server_is_overloaded"],
};

describe("on OpenAI's routes, each problem code", () => {
  test.each(CODES)("%s has OpenAI's pair of type and code, and ours in detail_code", (code) => {
    const problem = new Problem(code, "What to do.", { param: "input" });
    const [type, openAiCode, status = problem.status] = PAIRS[code] ?? [TYPES[problem.status], code];
    expect(openAiStatus(problem)).toBe(status);
    expect(openAiErrorBody(problem, "req_1")).toEqual({
      error: {
        message: "What to do.",
        type,
        code: openAiCode,
        param: "input",
        detail_code: code,
        request_id: "req_1",
      },
    });
  });

  test("has upstream's own code for a refused request", () => {
    const problem = new Problem("upstream_rejected", "Too long.", { upstreamCode: "context_length_exceeded" });
    expect(openAiErrorBody(problem, "").error).toMatchObject({
      code: "context_length_exceeded",
      type: "invalid_request_error",
      detail_code: "upstream_rejected",
    });
  });

  test.each(["budget_exceeded", "upstream_quota"] as const)("%s is not retried by OpenAI's SDKs", (code) => {
    expect(new Problem(code, "").headers()["x-should-retry"]).toBe("false");
  });
});

describe("a problem's details", () => {
  test("every value of a body is a string; `param` and upstream's code are shown if there are any", () => {
    const details: ProblemDetails = {
      param: "tools[0]",
      upstreamCode: "context_length_exceeded",
      reason: "for the log only",
    };
    const { error } = new Problem("upstream_rejected", "Too long.", details).body("req_1");
    expect(error).toEqual({
      message: "Too long.",
      type: "invalid_request_error",
      code: "context_length_exceeded",
      param: "tools[0]",
      request_id: "req_1",
    });
    for (const value of Object.values(new Problem("internal_error", "").body("").error))
      expect(typeof value).toBe("string");
    expect(JSON.stringify(error)).not.toContain("log only");
  });

  test("headers contain the time of a retry, the allowed methods and the authentication scheme", () => {
    expect(new Problem("unavailable", "", { retryAfter: 5 }).headers()).toEqual({ "retry-after": "5" });
    expect(new Problem("invalid_credentials", "").headers()).toEqual({ "www-authenticate": "Bearer" });
    expect(unsupportedMethod(["POST"]).headers()).toEqual({ allow: "POST" });
    expect(unsupportedMethod(["POST"]).status).toBe(405);
    expect(new Problem("invalid_request", "").headers()).toEqual({});
  });
});

describe("a thrown value", () => {
  test("that is a Problem is returned unchanged", () => {
    const problem = new Problem("paused", "");
    expect(toProblem(problem)).toBe(problem);
  });

  test.each([
    [new TypeError("sk-canary is not a function"), "TypeError"],
    ["sk-canary", "string"],
    [undefined, "undefined"],
    [{ message: "sk-canary" }, "object"],
  ])("%s becomes an internal_error that does not show it", (thrown, name) => {
    const problem = toProblem(thrown);
    expect([problem.code, problem.status, problem.details.reason]).toEqual(["internal_error", 500, `uncaught ${name}`]);
    expect(JSON.stringify([problem.body("r"), problem.headers(), problem.details])).not.toContain("canary");
  });
});
