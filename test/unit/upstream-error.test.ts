// UniAPI's refusals and failures as the caller gets them: classified by code first, then by status. Upstream's text is never shown unredacted.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Problem } from "../../src/core/lib/problem.ts";
import { errorFields } from "../../src/core/upstream/error-fields.ts";
import { retryAfterInMessage, retryAfterSeconds } from "../../src/core/upstream/retry-after.ts";
import { upstreamProblem } from "../../src/core/upstream/upstream-error.ts";

const KEY = "sk-canary-4f9d2c7b1e8a";
/** The body of the refused request. */
const REQUEST = { model: "m", previous_response_id: "resp_abc", input: "hi" };
const problemOf = (status: number, error: unknown, retryAfter?: number): Problem =>
  upstreamProblem({ status, body: error === undefined ? undefined : { error }, retryAfter, request: REQUEST }, [KEY]);
/** `status code paid`, as the caller gets it. */
const verdict = (problem: Problem): string =>
  `${problem.status} ${problem.body("r").error.code} ${problem.details.paid ?? ""}`;

function fixture(name: string): unknown {
  const text = readFileSync(new URL(`../fixtures/derived/${name}`, import.meta.url), "utf8")
    .replace(/^(?:::PING\s+)?(?:data: )?/, "")
    .trim();
  return text.startsWith("{") ? JSON.parse(text) : undefined;
}

describe("recorded errors", () => {
  test.each<
    [string, number, string, { retryAfter?: number; noSuchModel?: boolean; param?: string; keepsRetry?: boolean }]
  >([
    [
      "d03-error-400-previous-response-not-found.json",
      400,
      "400 previous_response_not_found unpaid",
      { param: "previous_response_id" },
    ],
    // Its message says "Please try again in 1.2s".
    ["d04-error-429-rate-limit.json", 429, "429 upstream_rate_limited unpaid", { retryAfter: 2 }],
    ["d20-onehub-401-invalid-token.json", 401, "502 upstream_auth unpaid", { keepsRetry: false }],
    ["d21-onehub-401-token-exhausted.json", 401, "502 upstream_auth unpaid", { keepsRetry: false }],
    ["d22-onehub-503-no-channel.json", 503, "503 upstream_unavailable unpaid", { noSuchModel: true }],
    ["d23-onehub-429-saturated.json", 429, "429 upstream_rate_limited unpaid", { retryAfter: 5 }],
    ["d24-onehub-429-user-rate.json", 429, "429 upstream_rate_limited unpaid", { retryAfter: 5 }],
    ["d25-onehub-429-quota-disguised.json", 429, "502 upstream_quota unpaid", { keepsRetry: false }],
    ["d26-onehub-401-upstream-key.json", 401, "502 upstream_auth unpaid", { keepsRetry: false }],
    ["d27-onehub-400-field-required.json", 400, "400 upstream_rejected unpaid", {}],
    ["d29-onehub-heartbeat-nonstream-error-http200.txt", 200, "429 upstream_rate_limited unpaid", { retryAfter: 5 }],
    ["d31-onehub-heartbeat-stream-error-http200.sse", 200, "429 upstream_rate_limited unpaid", { retryAfter: 5 }],
    ["d34-onehub-empty-429.txt", 429, "429 upstream_rate_limited unpaid", { retryAfter: 5 }],
    ["d40-newapi-401-key-parts.json", 401, "502 upstream_auth unpaid", { keepsRetry: false }],
    ["d41-newapi-503-model-not-found.json", 503, "503 upstream_unavailable unpaid", { noSuchModel: true }],
    ["d42-newapi-403-quota.json", 403, "502 upstream_quota unpaid", { keepsRetry: false }],
    ["d50-cloudflare-502.html", 502, "502 upstream_error maybe", { keepsRetry: false }],
  ])(
    "%s with status %i is %s",
    (name, status, expected, { retryAfter, noSuchModel = false, param = "", keepsRetry = true }) => {
      const problem = upstreamProblem({ status, body: fixture(name) }, [KEY]);
      expect(verdict(problem)).toBe(expected);
      expect(problem.headers()["retry-after"]).toBe(retryAfter?.toString());
      expect(problem.headers()["x-should-retry"]).toBe(keepsRetry ? undefined : "false");
      expect(problem.details.noSuchModel ?? false).toBe(noSuchModel);
      expect(problem.body("r").error.param).toBe(param);
      const shown = JSON.stringify([problem.body("r"), problem.headers(), problem.details.reason]);
      const parts = /sk-|wxyz|aBc|xYz|org-|https?:|20261122201015|k3JfQ8Zt|0\.000000|resp_0f0|[＄$\u4e00-\u9fff]/;
      expect(shown).not.toMatch(parts);
    },
  );

  test("the message of a 400 still has the reason", () => {
    expect(
      upstreamProblem({ status: 400, body: fixture("d27-onehub-400-field-required.json") }, [KEY]).message,
    ).toContain("field Model is required");
  });
});

describe("an error is classified by code first, then by status", () => {
  test.each<[number, object | undefined, string]>([
    [400, { code: "insufficient_user_quota" }, "502 upstream_quota unpaid"],
    [429, { code: "pre_consume_token_quota_failed" }, "502 upstream_quota unpaid"],
    [500, { code: "insufficient_quota" }, "502 upstream_quota unpaid"],
    [200, { code: "insufficient_user_quota" }, "502 upstream_quota unpaid"],
    [402, undefined, "502 upstream_quota unpaid"],
    [403, { message: "forbidden" }, "502 upstream_quota unpaid"],
    [401, undefined, "502 upstream_auth unpaid"],
    [401, { code: "insufficient_quota" }, "502 upstream_quota unpaid"],
    [429, undefined, "429 upstream_rate_limited unpaid"],
    [500, { code: "rate_limit_exceeded" }, "429 upstream_rate_limited unpaid"],
    ...[503, 521, 522, 523, 525, 526, 530].map((status): [number, undefined, string] => [
      status,
      undefined,
      "503 upstream_unavailable unpaid",
    ]),
    ...[500, 502, 504, 520, 524, 529, 599].map((status): [number, undefined, string] => [
      status,
      undefined,
      "502 upstream_error maybe",
    ]),
    [500, { code: "server_error", message: "无可用渠道" }, "502 upstream_error maybe"],
    ...[408, 425, 499].flatMap((status): [number, object | undefined, string][] => [
      [status, undefined, "504 upstream_timeout maybe"],
      [status, { code: "Timeout", message: "Took too long." }, "504 upstream_timeout maybe"],
      [status, { code: "bad", message: "previous_response_id" }, "504 upstream_timeout maybe"],
      [status, { code: "rate_limit_exceeded" }, "429 upstream_rate_limited unpaid"],
    ]),
    ...["timeout", "request_timeout", "Timeout", "vector_store_timeout"].flatMap((code): [number, object, string][] =>
      [200, 400, 500].map((status) => [status, { code }, "504 upstream_timeout maybe"]),
    ),
    ...["server_is_overloaded", "overloaded_error", "engine_overloaded"].flatMap((code): [number, object, string][] =>
      [200, 429, 500, 529].map((status) => [status, { code }, "503 upstream_unavailable unpaid"]),
    ),
    ...["slow_down", "too_many_requests", "rate_limited"].flatMap((code): [number, object, string][] =>
      [200, 400, 503].map((status) => [status, { code }, "429 upstream_rate_limited unpaid"]),
    ),
    ...[
      "credit_balance_exhausted",
      "organization_spend_limit_exceeded",
      "project_spend_limit_exceeded",
      "organization_usage_limit_exceeded",
      "insufficient_quota",
    ].flatMap((code): [number, object, string][] =>
      [200, 400, 429, 500].map((status) => [status, { code }, "502 upstream_quota unpaid"]),
    ),
    ...["invalid_prompt", "content_policy_violation", "unsupported_value", "string_above_max_length"].flatMap(
      (code): [number, object, string][] => [200, 400, 500].map((status) => [status, { code }, `400 ${code} unpaid`]),
    ),
    [200, { code: "content_filter" }, "400 content_filter maybe"],
    [400, { code: "content_filter" }, "400 content_filter unpaid"],
    [429, { type: "insufficient_quota", code: null }, "502 upstream_quota unpaid"],
    [500, { type: "overloaded_error", code: null }, "503 upstream_unavailable unpaid"],
    [503, { code: "server_error" }, "503 upstream_unavailable unpaid"],
    [400, { code: "server_error" }, "502 upstream_error maybe"],
    [400, { type: "server_error", code: null }, "400 upstream_rejected unpaid"],
    [403, { code: "bad", message: "previous_response_id is not known" }, "400 bad unpaid"],
    [501, { message: "previous_response_id is not implemented" }, "400 upstream_rejected unpaid"],
    [501, undefined, "502 upstream_error maybe"],
    [200, { message: "Previous response with id 'resp_abc' not found." }, "400 upstream_rejected unpaid"],
    [200, { message: "No response from the backend: unknown error" }, "502 upstream_error maybe"],
    ...[301, 302, 307, 308, 304].map((status): [number, undefined, string] => [
      status,
      undefined,
      "502 upstream_invalid_response unpaid",
    ]),
    [400, undefined, "400 upstream_rejected unpaid"],
    [400, { code: "", type: "one_hub_error" }, "400 upstream_rejected unpaid"],
    [400, { code: null, type: "invalid_request_error" }, "400 upstream_rejected unpaid"],
    [400, { code: "one_hub_error", type: "one_hub_error" }, "400 upstream_rejected unpaid"],
    [400, { code: "context_length_exceeded", type: "invalid_request_error" }, "400 context_length_exceeded unpaid"],
    [400, { code: "模型不存在", type: "x" }, "400 upstream_rejected unpaid"],
    [404, { code: "not_found_here", message: "secret text" }, "400 not_found_here unpaid"],
    [404, { code: "previous_response_not_found" }, "400 previous_response_not_found unpaid"],
    [404, undefined, "400 upstream_rejected unpaid"],
    [404, { message: "Item with id 'rs_1' not found." }, "404 item_not_found unpaid"],
    [413, undefined, "400 upstream_rejected unpaid"],
    [422, { code: "bad" }, "400 bad unpaid"],
    [400, { code: "model_not_found" }, "400 model_not_found unpaid"],
    [200, { code: "model_not_found" }, "400 model_not_found unpaid"],
    [200, { code: "no_available_channel" }, "503 upstream_unavailable unpaid"],
    [500, { code: "model_not_found" }, "503 upstream_unavailable unpaid"],
    [200, { code: "rate_limit_exceeded" }, "429 upstream_rate_limited unpaid"],
    [200, { code: "previous_response_not_found" }, "400 previous_response_not_found unpaid"],
    [200, { code: "server_error" }, "502 upstream_error maybe"],
    [200, { code: "a code of tomorrow" }, "502 upstream_error maybe"],
    [200, { code: 429 }, "429 upstream_rate_limited unpaid"],
    [200, { code: "503" }, "503 upstream_unavailable unpaid"],
    [200, { code: 500 }, "502 upstream_error maybe"],
    [200, { code: 400 }, "400 upstream_rejected unpaid"],
    [200, { status: "RESOURCE_EXHAUSTED" }, "429 upstream_rate_limited unpaid"],
    [200, { type: "invalid_request_error", code: null }, "400 upstream_rejected unpaid"],
    [200, { type: "request_too_large", message: "No." }, "400 upstream_rejected unpaid"],
    [200, { type: "permission_error", message: "No." }, "502 upstream_quota unpaid"],
    [200, { type: "api_error", message: "No." }, "502 upstream_error maybe"],
    [500, { type: "invalid_request_error", code: null }, "502 upstream_error maybe"],
    [500, { code: 429 }, "429 upstream_rate_limited unpaid"],
    [400, { code: 500 }, "502 upstream_error maybe"],
    [400, { code: 408 }, "504 upstream_timeout maybe"],
    [401, { code: 500 }, "502 upstream_auth unpaid"],
    [200, {}, "502 upstream_error maybe"],
  ])("%i with %j is %s", (status, error, expected) => {
    expect(verdict(problemOf(status, error))).toBe(expected);
  });

  test.each([400, 404, 503])("%i for a missing model allows a fallback model", (status) => {
    expect(problemOf(status, { code: "model_not_found" }).details.noSuchModel).toBe(true);
    expect(problemOf(status, { code: "other" }).details.noSuchModel).toBe(false);
  });

  test.each([401, 402, 403, 404, 429, 500, 503])("%i never shows upstream's own text", (status) => {
    expect(problemOf(status, { message: "canary text", code: "x" }).message).not.toContain("canary");
  });

  test.each<[string, number | undefined]>([
    ["Too fast. Try again in 1.1s.", 2],
    ["Please try again in 20ms.", 1],
    ["Try again in 500ms.", 1],
    ["available in 500ms", 1],
    ["retry after 20 seconds", 20],
    ["Retry-After: 20", 20],
    ["Please wait for about 12 secs before the next request.", 12],
    ["try again in 1m30s", 90],
    ["Try again in 6m0s", 360],
    ["try again in 1 minute and 30 seconds", 90],
    ["Your quota resets in 1h2m3s", 3_723],
    ["Please retry in 28.203s.", 29],
    ["请在20秒后重试", 20],
    ["Try again in 99999 hours", 86_400],
    ["try again at 10:30", undefined],
    ["try again later", undefined],
    ["Limit 100 requests in 24 hours.", undefined],
    ["Limit 30000, Used 29000, Requested 2000.", undefined],
  ])("the wait in %j is %s s", (message, seconds) => {
    const { details } = problemOf(429, { code: "rate_limit_exceeded", message });
    expect(details.retryAfter).toBe(seconds ?? 5);
    expect(problemOf(429, { code: "rate_limit_exceeded", message }).message).toContain(
      `Try again in ${seconds ?? 5} s.`,
    );
    // Only a header makes the Worker itself call again.
    expect(details.upstreamRetryAfter).toBeUndefined();
    expect(problemOf(429, { message }, 3).details.retryAfter).toBe(3);
  });

  test("the wait in any message is undefined or a whole number of seconds, at most a day", () => {
    const words = fc.constantFrom(
      "try again",
      "retry",
      "wait",
      " in ",
      "after ",
      "1.5",
      "9".repeat(9),
      "s",
      "ms",
      "m",
      "秒后",
      ",",
      " ",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words, { maxLength: 400 }).map((parts) => parts.join("")),
        ),
        (message) => {
          const seconds = retryAfterInMessage(message);
          expect(seconds === undefined || (Number.isInteger(seconds) && seconds >= 1 && seconds <= 86_400)).toBe(true);
        },
      ),
    );
  });

  test("upstream's Retry-After is forwarded, and our own default is not mistaken for it", () => {
    expect(problemOf(429, undefined, 30).details).toMatchObject({ retryAfter: 30, upstreamRetryAfter: 30 });
    expect(problemOf(429, undefined).details.upstreamRetryAfter).toBeUndefined();
    expect(problemOf(503, undefined, 3).headers()["retry-after"]).toBe("3");
    expect(problemOf(503, undefined).headers()).toEqual({});
  });
});

describe("an error is classified by its message if it has no known code", () => {
  const LONG = [
    "This model's maximum context length is 8192 tokens.",
    "Your input exceeds the context window of this model.",
    "prompt is too long: 210000 tokens > 200000 maximum",
  ];
  test.each(LONG.flatMap((message) => [200, 400, 413, 422, 500].map((status) => [status, message] as const)))(
    "%i %s is context_length_exceeded",
    (status, message) => {
      for (const code of [undefined, "bad_response_status_code", "invalid_request_error"]) {
        const problem = problemOf(status, { message, code });
        expect(verdict(problem)).toBe("400 context_length_exceeded unpaid");
        expect(problem.message).toContain(message.slice(0, 20));
      }
    },
  );

  test.each<[number, string, string]>([
    [200, "Rate limit reached for this model.", "429 upstream_rate_limited unpaid"],
    [500, "429 Too Many Requests", "429 upstream_rate_limited unpaid"],
    [429, "You exceeded your current quota, please check your plan.", "502 upstream_quota unpaid"],
    [429, "You exceeded your current quota. Please retry in 28s.", "429 upstream_rate_limited unpaid"],
    [400, "Your credit balance is too low to access this API.", "502 upstream_quota unpaid"],
    [200, "Unknown parameter: 'x'.", "400 upstream_rejected unpaid"],
    [500, "Unknown parameter: 'x'.", "502 upstream_error maybe"],
    [400, "Set rate_limit to a number.", "400 upstream_rejected unpaid"],
    [401, "The context window is gone.", "502 upstream_auth unpaid"],
    [200, "Something went wrong.", "502 upstream_error maybe"],
  ])("%i %s is %s", (status, message, expected) => {
    expect(verdict(problemOf(status, { message }))).toBe(expected);
  });
});

describe("whether a failed call may have been paid", () => {
  /** Statuses with which upstream has refused the call before any work. */
  const isRefusal = (status: number): boolean =>
    (status < 500 && ![408, 425, 499].includes(status)) || [503, 521, 522, 523, 525, 526, 530].includes(status);

  test("is stated for every status: unpaid for one that refuses the call, and maybe paid for any other", () => {
    for (let status = 400; status < 600; status += 1) {
      for (const body of [undefined, "", {}, { error: {} }, { error: { code: "new_of_tomorrow", message: "x" } }]) {
        const problem = upstreamProblem({ status, body }, []);
        expect([status, problem.details.paid]).toEqual([status, isRefusal(status) ? "unpaid" : "maybe"]);
        expect(problem.isRetryable || problem.headers()["x-should-retry"] === "false").toBe(true);
      }
    }
  });

  test("does not depend on unknown words in the error's code, type and message", () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.stringMatching(/^[a-z]{1,20}$/), (status, word) => {
        const { details } = problemOf(status, { code: `x${word}`, type: `y${word}`, message: `z${word}` });
        expect(details.paid).toBe(isRefusal(status) ? "unpaid" : "maybe");
      }),
    );
  });
});

describe("the fields of an error", () => {
  const none = { code: "", type: "", param: "", message: "" };
  test.each<[unknown, object]>([
    [{ error: { code: "c", type: "t", param: "p", message: "m" } }, { code: "c", type: "t", param: "p", message: "m" }],
    [
      { type: "error", code: "c", message: "m", param: null },
      { code: "c", message: "m" },
    ],
    [{ type: "error", error: { code: "nested" } }, { code: "nested" }],
    [{ message: "m" }, { message: "m" }],
    [{ error: "text" }, { message: "text" }],
    [{ error: { code: 503 } }, { status: 503 }],
    [{ error: { code: 1214 } }, { code: "1214" }],
    [{ error: { code: {}, message: [] } }, {}],
    [undefined, {}],
    ["text", { message: "text" }],
    [[], {}],
  ])("%j", (body, expected) => {
    expect(errorFields(body)).toEqual({ ...none, ...expected });
  });
});

describe("our key in a forwarded field", () => {
  const shownOf = (error: object): string => {
    const problem = problemOf(400, error);
    return JSON.stringify([problem.body("r"), problem.details.reason]).toLowerCase();
  };
  test.each([
    ["the message", { code: "bad", message: `key ${KEY} is bad` }],
    ["the code", { code: KEY }],
    ["the code, in a plain form", { code: `bad.${KEY.replaceAll("-", "_")}` }],
    ["the param", { code: "bad", param: `headers.${KEY}` }],
    ["part of the code", { code: `bad ${KEY.slice(3, 14)}` }],
  ])("reaches neither answer nor log line: %s", (_, error) => {
    for (const part of ["canary", "4f9d2c7b1e8a"]) expect(shownOf(error)).not.toContain(part);
  });

  test("or any other value has a maximum length: code, param and message", () => {
    const { error } = problemOf(400, {
      code: "x".repeat(900),
      param: "y z ".repeat(900),
      message: "word ".repeat(900),
    }).body("r");
    expect(error.code.length).toBeLessThanOrEqual(64);
    expect(error.param.length).toBeLessThanOrEqual(200);
    expect(error.message.length).toBeLessThanOrEqual(1_000);
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-11-22T20:00:00Z");
  test.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ "retry-after": "3" }, 3],
    [{ "retry-after": " 3 " }, 3],
    [{ "retry-after": "0" }, 1],
    [{ "retry-after": "1.2" }, 2],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "" }, undefined],
    [{ "retry-after": "-5" }, undefined],
    [{ "retry-after": "Sun, 22 Nov 2026 20:01:00 GMT" }, 60],
    [{ "retry-after": "Sun, 22 Nov 2026 19:00:00 GMT" }, 1],
    [{ "retry-after-ms": "1500" }, 2],
    [{ "retry-after-ms": "0" }, 1],
    [{ "retry-after-ms": "200", "retry-after": "9" }, 1],
    [{ "retry-after-ms": "", "retry-after": "9" }, 9],
    [{ "retry-after-ms": "soon", "retry-after": "9" }, 9],
    [{ "retry-after-ms": "-1", "retry-after": "9" }, 9],
  ])("%j is %s s", (headers, seconds) => {
    expect(retryAfterSeconds(new Headers(headers), now)).toBe(seconds);
  });
});

test.each(["1214", "content-filter", "user_not_found", "key_not_allowed"])("the code %s is forwarded", (code) => {
  const problem = upstreamProblem(
    { status: 400, body: { error: { message: "no", type: "x", code, param: "metadata.app" } } },
    ["sk-canary-4f9d2c7b1e8a"],
  );
  expect(problem.body("req_1").error).toMatchObject({ code, param: "metadata.app" });
});

test.each(["AIzaSyDabcdefghijklmnop123", "sk-proj-abcdef", "What is my secret"])(
  "%s is not forwarded as a code",
  (code) => {
    const problem = upstreamProblem({ status: 400, body: { error: { message: "no", type: "x", code } } }, []);
    expect(problem.body("req_1").error.code).toBe("upstream_rejected");
    expect(problem.details.reason).toBe("upstream 400 other");
  },
);
