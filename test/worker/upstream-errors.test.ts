// Upstream's errors as callers get them on both routes. An unpaid call can be repeated under the same key. The outcome of one that may have
// been paid is stored. OpenAI's routes have OpenAI's type and code, and ours in detail_code.
import { expect, test } from "vitest";
import { freshKey, respondOnce } from "./run-stub.ts";
import { calls, eachTestAlone, type ErrorBody, problemOf, startWorker, uniqueText } from "./worker.ts";

eachTestAlone();

interface Outcome {
  status: number;
  code: string;
  /** `status type code` on /v1/responses. */
  openAi: string;
  paid: boolean;
  retryAfter?: string;
  final?: true;
}

const RATE: Outcome = {
  status: 429,
  code: "upstream_rate_limited",
  openAi: "429 rate_limit_error rate_limit_exceeded",
  paid: false,
  retryAfter: "8",
};
const QUOTA: Outcome = {
  status: 502,
  code: "upstream_quota",
  openAi: "429 insufficient_quota insufficient_quota",
  paid: false,
  final: true,
};
const TOO_LONG: Outcome = {
  status: 400,
  code: "context_length_exceeded",
  openAi: "400 invalid_request_error context_length_exceeded",
  paid: false,
};
const FAILED: Outcome = {
  status: 502,
  code: "upstream_error",
  openAi: "502 server_error server_error",
  paid: true,
  final: true,
};
const TIMEOUT: Outcome = { ...FAILED, status: 504, code: "upstream_timeout", openAi: "504 server_error server_error" };
const AUTH: Outcome = { ...FAILED, code: "upstream_auth", paid: false };
const BUSY: Outcome = {
  status: 503,
  code: "upstream_unavailable",
  openAi: "503 service_unavailable_error server_is_overloaded",
  paid: false,
};

test.each<[model: string, Outcome]>([
  ["rate-limit-as-error", RATE],
  ["rate-limit-as-error-in-failed", RATE],
  ["rate-limit-as-detail-in-200", RATE],
  ["rate-limit-as-json-in-text-in-event", RATE],
  ["quota-as-errors", QUOTA],
  ["quota-as-message-in-failed", QUOTA],
  ["quota-as-code-number-in-200", QUOTA],
  ["context-as-detail-list", TOO_LONG],
  ["context-as-flat-in-event", TOO_LONG],
  ["context-as-error-in-failed", TOO_LONG],
  ["server-error-as-error-in-failed", FAILED],
  ["server-error-as-nested-in-200", FAILED],
  ["status/408", TIMEOUT],
  ["status/425", TIMEOUT],
  ["status/499", TIMEOUT],
  ["401", AUTH],
  ["503", BUSY],
])("emulate/%s is the same error in every form", async (name, expected) => {
  const worker = startWorker();
  const body = { input: uniqueText(), model: `emulate/${name}`, cache: false };
  const key = freshKey();
  let requests = 0;
  for (const stream of [false, true]) {
    const asked = await worker.ask({ ...body, stream }, key);
    requests += 1;
    const headers = [asked.headers.get("retry-after"), asked.headers.get("x-should-retry")];
    expect([asked.status, (await problemOf(asked)).code]).toEqual([expected.status, expected.code]);
    expect(headers).toEqual([expected.retryAfter ?? null, expected.final === undefined ? null : "false"]);
  }
  expect(await calls(body.input)).toBe(expected.paid ? 1 : requests);
  const { cache: _, ...fields } = body;
  const openAiKey = freshKey();
  for (const stream of [false, true]) {
    const response = await respondOnce(worker, { ...fields, stream }, openAiKey);
    const { error } = await response.clone().json<ErrorBody>();
    await problemOf(response);
    expect(`${response.status} ${error.type} ${error.code}`).toBe(expected.openAi);
    expect(error.detail_code).toBe(expected.status === 400 ? "upstream_rejected" : expected.code);
    expect(response.headers.get("x-should-retry")).toBe(expected.final === undefined ? null : "false");
  }
  expect(await calls(body.input)).toBe(expected.paid ? 2 : 2 * requests);
});
