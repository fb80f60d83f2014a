// Every failure as a caller meets it: a body of strings, a status, and whether a retry makes sense.
import { describe, expect, test } from "vitest";
import {
  toProblem,
  Problem,
  unsupportedMethod,
  type ProblemCode,
  type ProblemDetails,
} from "../../src/core/lib/problem.ts";

const ROWS: [ProblemCode, number, string, "retry" | "no retry"][] = [
  ["invalid_json", 400, "invalid_request_error", "retry"],
  ["invalid_request", 400, "invalid_request_error", "retry"],
  ["unknown_parameter", 400, "invalid_request_error", "retry"],
  ["input_too_deep", 400, "invalid_request_error", "retry"],
  ["previous_response_not_found", 400, "invalid_request_error", "retry"],
  ["model_not_allowed", 400, "invalid_request_error", "retry"],
  ["conversation_too_long", 400, "invalid_request_error", "retry"],
  ["upstream_rejected", 400, "invalid_request_error", "retry"],
  ["invalid_credentials", 401, "authentication_error", "retry"],
  ["origin_not_allowed", 403, "permission_error", "retry"],
  ["not_found", 404, "invalid_request_error", "retry"],
  ["response_not_found", 404, "invalid_request_error", "retry"],
  ["method_not_allowed", 405, "invalid_request_error", "retry"],
  ["request_timeout", 408, "invalid_request_error", "no retry"],
  ["payload_too_large", 413, "invalid_request_error", "retry"],
  ["unsupported_media_type", 415, "invalid_request_error", "retry"],
  ["upstream_rate_limited", 429, "rate_limit_error", "retry"],
  ["internal_error", 500, "server_error", "retry"],
  ["upstream_error", 502, "server_error", "retry"],
  ["upstream_invalid_response", 502, "server_error", "retry"],
  ["upstream_auth", 502, "server_error", "no retry"],
  ["upstream_quota", 502, "server_error", "no retry"],
  ["misconfigured", 503, "server_error", "no retry"],
  ["paused", 503, "server_error", "retry"],
  ["unavailable", 503, "server_error", "retry"],
  ["upstream_unavailable", 503, "server_error", "retry"],
  ["upstream_timeout", 504, "server_error", "retry"],
];

describe("status, type and retry", () => {
  test.each(ROWS)("%s is %i, %s, %s", (code, status, type, retry) => {
    const problem = new Problem(code, "What to do.");
    expect(problem.status).toBe(status);
    expect(problem.body("req_1")).toEqual({
      error: { message: "What to do.", type, code, param: "", request_id: "req_1" },
    });
    expect(problem.headers()["x-should-retry"]).toBe(retry === "retry" ? undefined : "false");
    expect(new Problem(code, "", { paid: "unpaid" }).isRetryable).toBe(retry === "retry");
    expect(new Problem(code, "", { paid: "maybe" }).headers()["x-should-retry"]).toBe("false");
  });
});

describe("details", () => {
  test("all of a body is text, with param and upstream's code where there are some", () => {
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

  test("headers say when to come back, what is allowed, and how to log in", () => {
    expect(new Problem("unavailable", "", { retryAfter: 5 }).headers()).toEqual({ "retry-after": "5" });
    expect(new Problem("invalid_credentials", "").headers()).toEqual({ "www-authenticate": "Bearer" });
    expect(unsupportedMethod(["POST"]).headers()).toEqual({ allow: "POST" });
    expect(unsupportedMethod(["POST"]).status).toBe(405);
    expect(new Problem("invalid_request", "").headers()).toEqual({});
  });
});

describe("what was thrown", () => {
  test("a Problem stays itself", () => {
    const problem = new Problem("paused", "");
    expect(toProblem(problem)).toBe(problem);
  });

  test.each([
    [new TypeError("sk-canary is not a function"), "TypeError"],
    ["sk-canary", "string"],
    [undefined, "undefined"],
    [{ message: "sk-canary" }, "object"],
  ])("%s is a fault of ours that says nothing of itself", (thrown, name) => {
    const problem = toProblem(thrown);
    expect([problem.code, problem.status, problem.details.reason]).toEqual(["internal_error", 500, `uncaught ${name}`]);
    expect(JSON.stringify([problem.body("r"), problem.headers(), problem.details])).not.toContain("canary");
  });
});
