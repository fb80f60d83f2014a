// CORS: which pages may call the Worker and read its responses.
import { describe, expect, test } from "vitest";
import {
  as,
  calls,
  eachTestAlone,
  type HeaderTable,
  KEYS,
  uniqueText,
  problemOf,
  SERVER_KEYS,
  startWorker,
  type WorkerUnderTest,
} from "./worker.ts";

eachTestAlone();

const APP = "https://app.example.com";
const allowedOrigin = (response: Response): string | null => response.headers.get("access-control-allow-origin");

function preflight(worker: WorkerUnderTest, origin: string, headers: HeaderTable = {}): Promise<Response> {
  return worker.send("/v1/responses", {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", ...headers },
  });
}

describe("a page from this machine, under ENVIRONMENT=local", () => {
  test.each(["http://localhost:5173", "http://127.0.0.1", "https://localhost:8443", "http://[::1]:3000"])(
    "%s may call the Worker and read every response, errors included",
    async (origin) => {
      const worker = startWorker();
      const response = await worker.ask({ input: uniqueText() }, { origin });
      expect([response.status, allowedOrigin(response), response.headers.get("vary")]).toEqual([200, origin, "Origin"]);
      expect(response.headers.get("access-control-expose-headers")).toContain("cache-status");
      expect(response.headers.get("access-control-allow-credentials")).toBeNull();
      const wrong = await worker.ask({ input: uniqueText(), nonsense: 1 }, { origin });
      expect([wrong.status, allowedOrigin(wrong)]).toEqual([400, origin]);
      const nowhere = await worker.get("/nowhere", { origin });
      expect([nowhere.status, allowedOrigin(nowhere)]).toEqual([404, origin]);
      expect((await problemOf(nowhere)).message).toMatch(/POST \/ask, .* POST \/v1\/responses .*; \/docs /);
    },
  );

  test("is allowed the headers that its preflight requests", async () => {
    const response = await preflight(startWorker(), "http://localhost:5173", {
      "access-control-request-headers": "content-type, idempotency-key, last-event-id, x-stainless-os, bad header",
    });
    expect([response.status, allowedOrigin(response)]).toEqual([204, "http://localhost:5173"]);
    expect(response.headers.get("access-control-allow-headers")).toBe(
      "content-type, idempotency-key, last-event-id, x-stainless-os",
    );
    expect(response.headers.get("access-control-allow-methods")).toContain("POST");
  });

  test("is refused if it sends a server key, and can't read the refusal", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const response = await worker.ask({ input: uniqueText() }, { origin: "http://localhost:5173", ...as(KEYS.alice) });
    expect([response.status, allowedOrigin(response)]).toEqual([401, null]);
  });
});

test.each(["https://evil.com", "null", "http://localhost.evil.com", "file://"])(
  "a page from %s may neither call the Worker nor read its responses",
  async (origin) => {
    const worker = startWorker();
    const input = uniqueText();
    const response = await worker.ask({ input }, { origin });
    expect([response.status, allowedOrigin(response), response.headers.get("vary")]).toEqual([403, null, "Origin"]);
    const refusal = await preflight(worker, origin);
    expect([refusal.status, allowedOrigin(refusal), (await problemOf(refusal)).code]).toEqual([
      403,
      null,
      "origin_not_allowed",
    ]);
    expect(await calls(input)).toBe(0);
  },
);

test("in production, only the origins in the config may read responses", async () => {
  const worker = startWorker(
    { origins: [APP] },
    { ENVIRONMENT: "production", UNIAPI_BASE_URL: "https://upstream.example", SERVER_KEYS },
  );
  const refused = await worker.ask({ input: uniqueText() }, { origin: APP });
  expect([refused.status, allowedOrigin(refused)]).toEqual([401, APP]);
  expect((await preflight(worker, APP)).status).toBe(204);
  for (const origin of [
    "http://localhost:5173",
    "https://app.example.com.evil.com",
    "http://app.example.com",
    "https://app.example.com:8443",
  ]) {
    expect([
      (await preflight(worker, origin)).status,
      allowedOrigin(await worker.ask({ input: uniqueText() }, { origin })),
    ]).toEqual([403, null]);
  }
});

test("the response to a request without an Origin varies by Origin", async () => {
  const response = await startWorker().ask({ input: uniqueText() });
  expect([allowedOrigin(response), response.headers.get("vary")]).toEqual([null, "Origin"]);
});
