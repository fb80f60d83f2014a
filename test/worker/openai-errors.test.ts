// Which routes have OpenAI's errors: those of OpenAI's API, whoever refuses the request. All others have the Worker's own.
import { expect, test } from "vitest";
import { as, eachTestAlone, type ErrorBody, problemOf, SERVER_KEYS, startWorker, uniqueText } from "./worker.ts";

eachTestAlone();

const JSON_BODY = { "content-type": "application/json" };
const bad = as("sk_nobody_has_this_key");

test.each<[string, string, RequestInit, number, type: string, code: string, detail: string]>([
  [
    "a wrong key",
    "/v1/responses",
    { method: "POST", headers: bad },
    401,
    "invalid_request_error",
    "invalid_api_key",
    "invalid_credentials",
  ],
  [
    "a wrong key without /v1",
    "/responses",
    { method: "POST", headers: bad },
    401,
    "invalid_request_error",
    "invalid_api_key",
    "invalid_credentials",
  ],
  [
    "a wrong key at an address with extra slashes",
    "/v1//models/",
    { headers: bad },
    401,
    "invalid_request_error",
    "invalid_api_key",
    "invalid_credentials",
  ],
  ["an unknown address", "/v1/nothing", {}, 404, "invalid_request_error", "not_found", "not_found"],
  [
    "an unknown response",
    "/v1/responses/resp_nothing",
    {},
    404,
    "invalid_request_error",
    "response_not_found",
    "response_not_found",
  ],
  [
    "another method",
    "/v1/responses",
    { method: "PUT" },
    405,
    "invalid_request_error",
    "method_not_allowed",
    "method_not_allowed",
  ],
  [
    "a foreign page",
    "/v1/models",
    { headers: { origin: "https://evil.example" } },
    403,
    "permission_error",
    "origin_not_allowed",
    "origin_not_allowed",
  ],
  [
    "a body that is not JSON",
    "/v1/responses",
    { method: "POST", body: "{", headers: JSON_BODY },
    400,
    "invalid_request_error",
    "invalid_json",
    "invalid_json",
  ],
  [
    "another type of body",
    "/v1/responses",
    { method: "POST", body: "x", headers: { "content-type": "image/png" } },
    415,
    "invalid_request_error",
    "unsupported_media_type",
    "unsupported_media_type",
  ],
])("%s gets OpenAI's error and our code beside it", async (_, path, init, status, type, code, detail) => {
  const response = await startWorker().send(path, init);
  const { error } = await response.clone().json<ErrorBody>();
  await problemOf(response);
  expect([response.status, error.type, error.code, error.detail_code]).toEqual([status, type, code, detail]);
});

test.each(["/ask", "/jobs", "/usage", "/sessions", "/v10/responses", "/responses-of-mine"])(
  "%s has the Worker's own errors",
  async (path) => {
    const worker = startWorker({}, { SERVER_KEYS });
    const response = await worker.send(path, { method: path === "/usage" ? "GET" : "POST", headers: bad });
    const error = await problemOf(response);
    expect(error.detail_code).toBeUndefined();
    expect(["invalid_credentials", "not_found"]).toContain(error.code);
  },
);

test("a paused Worker and a used-up budget are reported in OpenAI's words, too", async () => {
  const body = JSON.stringify({ input: uniqueText() });
  const paused = await startWorker({}, { PAUSED: "1" }).send("/v1/responses", {
    method: "POST",
    body,
    headers: JSON_BODY,
  });
  expect(await problemOf(paused)).toMatchObject({
    type: "service_unavailable_error",
    code: "server_is_overloaded",
    detail_code: "paused",
  });
  const key = "pk_openai_0123456789abcdef";
  const worker = startWorker({
    presets: { chat: {} },
    callers: { publishable: [{ id: crypto.randomUUID(), key, presets: ["chat"], total: { tokens_per_day: 1 } }] },
  });
  const refused = await worker.send("/v1/responses", { method: "POST", body, headers: { ...JSON_BODY, ...as(key) } });
  expect([refused.status, refused.headers.get("x-should-retry")]).toEqual([429, "false"]);
  expect(await problemOf(refused)).toMatchObject({
    type: "insufficient_quota",
    code: "insufficient_quota",
    detail_code: "budget_exceeded",
  });
});
