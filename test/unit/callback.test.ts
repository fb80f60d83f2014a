// One delivery as a plain request: its forms, auth and headers. The reference library of Standard Webhooks verifies the signatures.
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { callbackRequest, type CallbackContent, type PlainRequest } from "../../src/core/callbacks/callback-request.ts";
import type { Callback, CallbackRequest } from "../../src/core/config/config-schema.ts";
import { ConfigError, defineConfig } from "../../src/core/config/define-config.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import type { JobEvent } from "../../src/core/callbacks/standard-webhooks.ts";

const NOW = Date.UTC(2026, 10, 25, 12, 0, 0) + 789;
const NEW_SECRET = "whsec_bmV3IHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=";
const OLD_SECRET = "whsec_b2xkIHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=";
const RAW_SECRET = "a-raw-secret_of_some_length!";
const CRM: Callback = { url: "https://crm.example.com/in", auth: { standard: "CRM_SECRET" } };
const OPEN: Callback = { url: "https://crm.example.com/in" };
const answer = {
  id: "resp_1",
  previous_response_id: null,
  created_at: 1,
  model: "m",
  status: "completed",
  text: "Grüße, 世界 👋",
  usage: null,
};
const event: JobEvent = {
  id: "job_1",
  job: "job_1",
  hook: "triage",
  endedAt: NOW - 90_000,
  metadata: { ticket: "7" },
  answer,
  error: null,
};

// The library takes the time from Date.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOW }));
afterEach(() => vi.useRealTimers());

interface Options {
  callback?: Callback;
  content?: CallbackContent;
  secrets?: Record<string, string>;
  now?: number;
}
function requestOf({
  callback = CRM,
  content: delivery = { event },
  secrets = { CRM_SECRET: NEW_SECRET },
  now = NOW,
}: Options = {}) {
  return callbackRequest("crm", callback, delivery, (name) => secrets[name], now, { local: false, ownOrigins: [] });
}
const contentOf = (request: unknown): CallbackContent => ({ event, output: { returned: request as CallbackRequest } });
const textOf = ({ body }: PlainRequest): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
const verifyRequest = (request: PlainRequest, secret: string, format?: "raw"): unknown =>
  new Webhook(secret, format === undefined ? {} : { format }).verify(textOf(request), request.headers);

/** The message of the Problem, which is never retryable. */
async function refusalMessage(options: Options): Promise<string> {
  const problem = await requestOf(options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(problem instanceof Problem)) throw new Error("not refused");
  expect([problem.code, problem.isRetryable]).toEqual(["misconfigured", false]);
  return problem.message;
}

describe("without `output`", () => {
  test("a completed job is sent in the format of Standard Webhooks", async () => {
    const request = await requestOf();
    expect([request.method, request.url.href]).toEqual(["POST", "https://crm.example.com/in"]);
    expect(request.headers).toEqual({
      "content-type": "application/json",
      "user-agent": "uniapi-edge",
      "webhook-id": "job_1",
      "webhook-timestamp": "1795608000",
      "webhook-signature": expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
    });
    expect(verifyRequest(request, NEW_SECRET)).toEqual({
      type: "response.completed",
      timestamp: "2026-11-25T11:58:30.789Z",
      data: { job: "job_1", hook: "triage", answer, metadata: { ticket: "7" } },
    });
  });

  test("the body of a failed job has the error, and that of a job from POST /jobs has no hook", async () => {
    const error = { message: "UniAPI is not available.", type: "server_error", code: "upstream_unavailable" };
    const request = await requestOf({ content: { event: { ...event, hook: null, answer: null, error } } });
    expect(verifyRequest(request, NEW_SECRET)).toMatchObject({
      type: "response.failed",
      data: { job: "job_1", hook: null, error, metadata: { ticket: "7" } },
    });
    expect(textOf(request)).not.toContain('"answer"');
  });

  test("without auth the request is not signed, but has the id that identifies duplicates", async () => {
    const { headers } = await requestOf({ callback: OPEN, secrets: {} });
    expect(Object.keys(headers)).toEqual(["content-type", "user-agent", "webhook-id", "webhook-timestamp"]);
  });

  test("with another kind of auth the request has the id, but no signature", async () => {
    const { headers } = await requestOf({ callback: { ...OPEN, auth: { bearer: "T" } }, secrets: { T: "token" } });
    expect(headers).toMatchObject({ authorization: "Bearer token", "webhook-id": "job_1" });
    expect(headers).not.toHaveProperty("webhook-signature");
  });
});

describe("signatures", () => {
  test("every attempt has the same id and body, and its own time and signature", async () => {
    const [first, second] = [await requestOf(), await requestOf({ now: NOW + 5_000 })];
    expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
    expect(textOf(second)).toBe(textOf(first));
    expect(Number(second.headers["webhook-timestamp"]) - Number(first.headers["webhook-timestamp"])).toBe(5);
    expect(second.headers["webhook-signature"]).not.toBe(first.headers["webhook-signature"]);
    expect(verifyRequest(second, NEW_SECRET)).toEqual(verifyRequest(first, NEW_SECRET));
  });

  test("during a rotation each secret verifies alone, and a third does not", async () => {
    const request = await requestOf({ secrets: { CRM_SECRET: `${NEW_SECRET}, ${OLD_SECRET},` } });
    expect(request.headers["webhook-signature"]?.split(" ")).toHaveLength(2);
    for (const secret of [NEW_SECRET, OLD_SECRET])
      expect(verifyRequest(request, secret)).toMatchObject({ type: "response.completed" });
    expect(() => verifyRequest(request, `whsec_${btoa("another secret of 24 bytes")}`)).toThrow(
      "No matching signature found",
    );
  });

  test("a secret without whsec_ is itself the key, as bytes", async () => {
    const request = await requestOf({ secrets: { CRM_SECRET: `${RAW_SECRET},${OLD_SECRET}` } });
    expect(verifyRequest(request, RAW_SECRET, "raw")).toMatchObject({ type: "response.completed" });
    expect(verifyRequest(request, OLD_SECRET)).toMatchObject({ type: "response.completed" });
  });

  test("a body from `output` is signed too, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: "binary", minLength: 1 }), fc.record({ value: fc.jsonValue() })),
        fc.uint8Array({ minLength: 1 }),
        async (body, key) => {
          const secret = `whsec_${btoa(String.fromCharCode(...key))}`;
          const request = await requestOf({
            content: contentOf({ path: "/x", body }),
            secrets: { CRM_SECRET: secret },
          });
          const reference = new Webhook(secret);
          const json = typeof body !== "string";
          if (json)
            expect(reference.verify(textOf(request), request.headers)).toEqual(JSON.parse(JSON.stringify(body)));
          else reference.verify(textOf(request), request.headers, { jsonParse: false });
          const flipped = request.body.slice();
          flipped[0] = (flipped[0] ?? 0) ^ 1;
          expect(() =>
            reference.verify(new TextDecoder("utf-8", { ignoreBOM: true }).decode(flipped), request.headers),
          ).toThrow();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("auth", () => {
  test("bearer and header send the first secret of a list", async () => {
    const bearer = await requestOf({
      callback: { ...OPEN, auth: { bearer: "T" } },
      content: contentOf({ body: {} }),
      secrets: { T: " new , old " },
    });
    expect(bearer.headers).toEqual({
      "content-type": "application/json",
      "user-agent": "uniapi-edge",
      authorization: "Bearer new",
    });
    const auth = { header: { name: "X-Api-Key", secret_name: "K" } };
    const header = await requestOf({
      callback: { ...OPEN, auth },
      content: contentOf({ body: {} }),
      secrets: { K: "Key abc,old" },
    });
    expect(header.headers).toEqual({
      "content-type": "application/json",
      "user-agent": "uniapi-edge",
      "x-api-key": "Key abc",
    });
  });

  test("is optional, and its absence adds no header", async () => {
    const { headers } = await requestOf({ callback: OPEN, content: contentOf({ body: {} }), secrets: {} });
    expect(headers).toEqual({ "content-type": "application/json", "user-agent": "uniapi-edge" });
  });

  test.each<[what: string, auth: Callback["auth"], secret: string | undefined]>([
    ["a missing bearer secret", { bearer: "CRM_SECRET" }, undefined],
    ["an empty bearer secret", { bearer: "CRM_SECRET" }, " , "],
    ["a bearer secret with a line break", { bearer: "CRM_SECRET" }, "canary\r\nx-evil: 1"],
    ["a bearer secret with a space", { bearer: "CRM_SECRET" }, "canary canary"],
    ["a missing header secret", { header: { name: "x-key", secret_name: "CRM_SECRET" } }, undefined],
    [
      "a header secret with a line break",
      { header: { name: "x-key", secret_name: "CRM_SECRET" } },
      "canary\nx-evil: 1",
    ],
    ["a header secret beyond ASCII", { header: { name: "x-key", secret_name: "CRM_SECRET" } }, "canary é"],
    ["a missing standard secret", { standard: "CRM_SECRET" }, undefined],
    ["a standard secret without a key", { standard: "CRM_SECRET" }, "whsec_"],
    ["a standard secret that is not base64", { standard: "CRM_SECRET" }, "whsec_canary!"],
    ["a second standard secret that is not base64", { standard: "CRM_SECRET" }, `${NEW_SECRET},whsec_canary!`],
    ["a raw standard secret with a space", { standard: "CRM_SECRET" }, "canary canary"],
  ])("with %s causes an error that names the setting and never shows its value", async (_, auth, secret) => {
    const message = await refusalMessage({
      callback: { ...OPEN, auth },
      secrets: secret === undefined ? {} : { CRM_SECRET: secret },
    });
    expect(message).toMatch(/^This Worker's setting CRM_SECRET /);
    expect(message).not.toContain("canary");
  });

  test.each(["host", "Content-Length", "Transfer-Encoding", "content-type", "webhook-signature", "CF-Connecting-IP"])(
    "the config refuses %s as the header of a secret",
    (name) => {
      const callbacks = { crm: { ...OPEN, auth: { header: { name, secret_name: "K" } } } };
      expect(() => defineConfig({ callbacks })).toThrow(ConfigError);
      expect(() => defineConfig({ callbacks })).toThrow(
        "callbacks.crm.auth.header.name: must be a header of your own, or authorization",
      );
    },
  );
});

describe("with `output`", () => {
  test("path, method, headers and body come from `output`", async () => {
    const headers = {
      Accept: "application/vnd.github+json",
      "X-GitHub-Api-Version": "2022-11-28",
      "User-Agent": "triage-bot",
    };
    const request = await requestOf({
      callback: { url: "https://api.github.com", auth: { bearer: "GITHUB_TOKEN" } },
      content: contentOf({ path: "/repos/o/r/issues/7/comments", method: "patch", headers, body: { body: "Grüße" } }),
      secrets: { GITHUB_TOKEN: "ghp_x" },
    });
    expect([request.method, request.url.href, textOf(request)]).toEqual([
      "PATCH",
      "https://api.github.com/repos/o/r/issues/7/comments",
      '{"body":"Grüße"}',
    ]);
    expect(request.headers).toEqual({
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
      "user-agent": "triage-bot",
      "content-type": "application/json",
      authorization: "Bearer ghp_x",
    });
  });

  test("an integer beyond 2^53, as `answer.data` may have it, is sent with all its digits", async () => {
    const content = contentOf({ body: { order: 9_223_372_036_854_775_807n } });
    expect(textOf(await requestOf({ content }))).toBe('{"order":9223372036854775807}');
  });

  test("a string is sent unchanged, with the content type of its headers", async () => {
    const plain = await requestOf({ callback: OPEN, content: contentOf({ body: "a=1" }) });
    expect([textOf(plain), plain.headers["content-type"]]).toEqual(["a=1", "text/plain;charset=UTF-8"]);
    const form = await requestOf({
      callback: OPEN,
      content: contentOf({ headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "a=1" }),
    });
    expect(form.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  });

  test.each<[what: string, body: unknown, text: string]>([
    ["null", null, "null"],
    ["a number", 0, "0"],
    ["a list", [], "[]"],
    ["an empty string", "", ""],
  ])("%s can be a body", async (_, body, text) =>
    expect(textOf(await requestOf({ callback: OPEN, content: contentOf({ body }) }))).toBe(text),
  );

  const loop: Record<string, unknown> = {};
  loop["loop"] = loop;
  test.each<[what: string, request: unknown, sentence: string]>([
    ["undefined", undefined, "must return { path?, method?, headers?, body }"],
    ["null", null, "must return {"],
    ["a string", "hello", "must return {"],
    ["a list", [], "must return {"],
    ["no body", { path: "/x" }, "returned no body"],
    ["a function as body", { body: () => "x" }, "returned no body"],
    ["a cyclic body", { body: loop }, "returned a body that can't be converted to JSON"],
    ["a path that is a number", { path: 7, body: 1 }, "returned a path that is not a string"],
    ["a path on another origin", { path: "//evil.example", body: 1 }, "returned an unsafe path"],
    ["GET", { method: "GET", body: 1 }, "returned a method other than POST, PUT and PATCH"],
    ["an unknown method", { method: "POST /x HTTP/1.1\r\n", body: 1 }, "returned a method other than"],
    ["a method that is not a string", { method: 5, body: 1 }, "returned a method other than"],
    ["headers in a list", { headers: ["x"], body: 1 }, "returned headers that are not an object"],
    ["a header name with a colon", { headers: { "x:y": "1" }, body: 1 }, "returned a header with an invalid name"],
    [
      "a header name with a line break",
      { headers: { "x\r\ny": "1" }, body: 1 },
      "returned a header with an invalid name",
    ],
    ["an empty header name", { headers: { "": "1" }, body: 1 }, "returned a header with an invalid name"],
    [
      "a header value with a line break",
      { headers: { x: "1\r\ny: 2" }, body: 1 },
      "returned a value of the header x that is not ASCII text",
    ],
    [
      "a header value with NUL",
      { headers: { x: "1\u0000" }, body: 1 },
      "returned a value of the header x that is not ASCII text",
    ],
    [
      "a header value beyond ASCII",
      { headers: { x: "é" }, body: 1 },
      "returned a value of the header x that is not ASCII text",
    ],
    [
      "a number as a header value",
      { headers: { x: 1 }, body: 1 },
      "returned a value of the header x that is not ASCII text",
    ],
  ])("%s is refused, without another attempt", async (_, request, sentence) => {
    expect(await refusalMessage({ callback: OPEN, content: contentOf(request) })).toContain(
      `This Worker's setting hooks.triage.output (src/config.ts) ${sentence}`,
    );
  });

  test.each(
    "Authorization host Content-Length webhook-id Webhook-Signature webhook-timestamp webhook-x cookie Connection keep-alive transfer-encoding te trailer Upgrade expect proxy-authorization Proxy-Connection content-encoding accept-encoding cf-connecting-ip sec-fetch-site x-key".split(
      " ",
    ),
  )("the header %s can't be set", async (name) => {
    const callback: Callback = { ...OPEN, auth: { header: { name: "X-Key", secret_name: "K" } } };
    const message = await refusalMessage({
      callback,
      content: contentOf({ headers: { [name]: "canary" }, body: 1 }),
      secrets: { K: "k" },
    });
    expect(message).toContain(`returned the header ${name.toLowerCase()}, which it must not set`);
  });
});
