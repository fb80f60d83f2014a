// Who may call the Worker and which settings that depends on; the routes, their methods, and the headers of every response.
import { describe, expect, test } from "vitest";
import {
  as,
  calls,
  eachTestAlone,
  expectEnvelope,
  type HeaderTable,
  ID_KEY,
  KEYS,
  kvKeys,
  uniqueText,
  problemOf,
  receivedRequests,
  SERVER_KEYS,
  startWorker,
  TEXT,
  UPSTREAM_KEY,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();

/** http on loopback works only under `local`, so tests in production never reach the emulator. */
const PRODUCTION = { ENVIRONMENT: "production", UNIAPI_BASE_URL: "https://uniapi.invalid" };
const NEVER = `sk_never_0123456789`;

const post = (
  worker: WorkerUnderTest,
  headers: HeaderTable,
  host = "http://localhost:8787",
  input = "hi",
): Promise<Response> => worker.send(`${host}/ask`, { method: "POST", body: JSON.stringify({ input }), headers });

describe("settings", () => {
  test.each([
    ["no credential", {}],
    ["an arbitrary key", as(NEVER)],
    ["a body of another type", { "content-type": "image/png" }],
  ])(
    "in production, a Worker without callers refuses a request with %s and names the reason",
    async (_name, headers) => {
      const response = await post(startWorker({}, PRODUCTION), headers, "https://ask.example.com");
      expect(response.status).toBe(503);
      const problem = await problemOf(response);
      expect(problem.code).toBe("misconfigured");
      expect(problem.message).toContain("SERVER_KEYS");
      expect(response.headers.get("x-should-retry")).toBe("false");
    },
  );

  test.each([
    ["UNIAPI_KEY", undefined],
    ["UNIAPI_KEY", ""],
    ["UNIAPI_KEY", "   "],
    ["UNIAPI_KEY", "sk-two words"],
    ["UNIAPI_KEY", "sk-ümlaut"],
    ["UNIAPI_KEY", "sk-line\nbreak"],
    ["ID_KEYS", "not base64 at all!"],
    ["ID_KEYS", btoa("too short")],
    ["ID_KEYS", `${ID_KEY},${btoa("x".repeat(33))}`],
    ["SERVER_KEYS", "sk_short"],
    ["SERVER_KEYS", "secret-without-prefix-1234"],
    ["SERVER_KEYS", `${KEYS.alice},bad name:sk_0123456789abcdef`],
    ["SERVER_KEYS", "pk_0123456789abcdefgh"],
    ["UNIAPI_BASE_URL", "not a url secretly"],
    ["UNIAPI_BASE_URL", "http://api.uniapi.io"],
    ["UNIAPI_BASE_URL", "http://127.0.0.1:8788"],
    ["UNIAPI_BASE_URL", "https://user:secretly@api.uniapi.io"],
    ["UNIAPI_BASE_URL", "https://api.uniapi.io/?key=secretly"],
    ["ENVIRONMENT", "prod"],
    ["ENVIRONMENT", ""],
  ])("an invalid %s (%j) fails every request with the setting's name and without its value", async (name, value) => {
    const worker = startWorker({}, { ...PRODUCTION, SERVER_KEYS, [name]: value });
    for (const path of ["/ask", "/health", "/nowhere"]) {
      const response = await worker.send(`https://ask.example.com${path}`, { method: "POST", headers: as(KEYS.alice) });
      expect(response.status).toBe(503);
      const problem = await problemOf(response);
      expect(problem.code).toBe("misconfigured");
      expect(problem.message).toContain(`setting ${name} `);
      if (value !== undefined && value.trim().length > 5) {
        for (const text of [JSON.stringify(problem), JSON.stringify(log.lines())]) {
          expect(text).not.toContain(value);
          expect(text).not.toContain("secretly");
        }
      }
    }
  });

  test("an invalid DEADLINES fails under local, and is ignored in production", async () => {
    for (const DEADLINES of ["{", "[]", "7", '{"body":-1}', '{"body":"5"}']) {
      const response = await startWorker({}, { DEADLINES }).ask({ input: uniqueText() });
      expect(response.status).toBe(503);
      expect((await problemOf(response)).message).toContain("DEADLINES");
    }
    const production = startWorker({}, { ...PRODUCTION, SERVER_KEYS, DEADLINES: "{" });
    expect((await production.send("https://ask.example.com/health")).status).toBe(200);
  });

  test("the upstream key may have spaces around it, and the base URL may end in /v1", async () => {
    const base = (await import("vitest")).inject("emulatorUrl");
    for (const UNIAPI_BASE_URL of [base, `${base}/`, `${base}/v1`, `${base}/v1/`]) {
      const settings = {
        UNIAPI_BASE_URL,
        UNIAPI_KEY: ` ${UPSTREAM_KEY}\n`,
        SERVER_KEYS: ` ${SERVER_KEYS.replaceAll(",", " , ")} ,`,
      };
      await startWorker({}, settings).answer({ input: uniqueText() }, as(KEYS.bob));
    }
  });

  test("without ID_KEYS, ids derive from the upstream key, and a warning is logged", async () => {
    const first = uniqueText();
    const { id } = await startWorker({}, { ID_KEYS: "" }).answer({ input: first });
    expect(log.warnings().map(({ event }) => event)).toEqual([expect.stringContaining("id_keys_missing")]);
    const again = startWorker({}, { ID_KEYS: undefined });
    expect((await again.answer({ input: uniqueText(), previous_response_id: id })).text).toContain(first);
  });

  test("a new first id key invalidates no conversation, no turn and no cached answer", async () => {
    const fresh = btoa("a fresh id key of thirty-2 bytes");
    const input = uniqueText();
    const old = await startWorker().answer({ input });
    const rotated = startWorker({}, { ID_KEYS: `${fresh},${ID_KEY}` });
    expect((await rotated.get(`/ask/${old.id}`)).status).toBe(200);
    expect(await rotated.answer({ input })).toEqual({ ...old, cached: true });
    const next = await rotated.answer({ input: uniqueText(), previous_response_id: old.id });
    expect(next.text).toContain(input);
    expect((await (await rotated.get(`/ask/${next.id}?thread=true`)).json<{ turns: unknown[] }>()).turns).toHaveLength(
      2,
    );
    // The old key alone does not verify ids that the new one signed.
    expect((await startWorker().get(`/ask/${next.id}`)).status).toBe(404);
  });

  test("PAUSED=1 answers 503 without an upstream call, and a value that is neither on nor off is an error", async () => {
    const worker = startWorker({}, { PAUSED: "1", SERVER_KEYS });
    for (const accept of ["application/json", "text/event-stream", "text/plain"]) {
      const input = uniqueText();
      const response = await worker.ask({ input }, { accept, ...as(KEYS.alice) });
      expect(response.status).toBe(503);
      expect((await problemOf(response)).code).toBe("paused");
      expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(await calls(input)).toBe(0);
    }
    expect(await (await worker.get("/health")).json()).toEqual({ status: "paused" });
    for (const PAUSED of ["", "0"]) await startWorker({}, { PAUSED }).answer({ input: uniqueText() });
    for (const PAUSED of ["true", "yes", "1 "]) {
      const response = await startWorker({}, { PAUSED }).ask({ input: uniqueText() });
      expect((await problemOf(response)).message).toContain("PAUSED");
      expect(response.status).toBe(503);
    }
  });

  test("a paused Worker still answers 401 to unknown callers, and still returns stored answers", async () => {
    const { id } = await startWorker({}, { SERVER_KEYS }).answer({ input: uniqueText() }, as(KEYS.alice));
    const worker = startWorker({}, { PAUSED: "1", SERVER_KEYS });
    expect((await post(worker, as(NEVER))).status).toBe(401);
    expect((await worker.get(`/ask/${id}`, as(KEYS.alice))).status).toBe(200);
  });
});

describe("credentials", () => {
  const wrong: [string, HeaderTable, string][] = [
    ["none", {}, "no_credential"],
    ["an unknown key", as(NEVER), "unknown_key"],
    ["half a key", as(KEYS.alice.slice(0, -1)), "unknown_key"],
    ["a key with an extra character", as(`${KEYS.alice}x`), "unknown_key"],
    ["a name with its key", as(`alice:${KEYS.alice}`), "unknown_key"],
    ["the upstream key", as(UPSTREAM_KEY), "unknown_key"],
    ["two keys", as(`${KEYS.alice} ${KEYS.bob}`), "not_bearer"],
    ["Basic", { authorization: `Basic ${btoa(`alice:${KEYS.alice}`)}` }, "not_bearer"],
    ["the bare key", { authorization: KEYS.alice }, "not_bearer"],
    ["Bearer alone", { authorization: "Bearer" }, "not_bearer"],
    ["an empty header", { authorization: "" }, "not_bearer"],
    ["the Origin of a foreign page", { ...as(KEYS.alice), origin: "https://evil.example" }, "wrong_origin"],
    ["the Origin null", { ...as(KEYS.alice), origin: "null" }, "wrong_origin"],
    ["the Worker's own host over http", { ...as(KEYS.alice), origin: "http://ask.example.com" }, "wrong_origin"],
    [
      "the Worker's own host on another port",
      { ...as(KEYS.alice), origin: "https://ask.example.com:8443" },
      "wrong_origin",
    ],
  ];

  test("every 401 has the same message and WWW-Authenticate, and the reason is only in the log", async () => {
    const worker = startWorker({}, { ...PRODUCTION, SERVER_KEYS });
    const messages = new Set<string>();
    for (const [name, headers, reason] of wrong) {
      const response = await post(worker, headers, "https://ask.example.com");
      expect(response.status, name).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ code: "invalid_credentials", type: "authentication_error", param: "" });
      expect(log.requests().at(-1)).toMatchObject({ status: 401, code: "invalid_credentials", reason });
      messages.add(problem.message);
    }
    expect([...messages]).toEqual([expect.stringMatching(/not your UniAPI key\.$/)]);
    expect(await kvKeys("")).toEqual([]);
  });

  test.each(wrong.filter(([name]) => name !== "none"))(
    "under local, the message contains the reason: %s",
    async (_n, headers, reason) => {
      const response = await post(startWorker({}, { SERVER_KEYS }), headers);
      expect(response.status).toBe(401);
      expect((await problemOf(response)).message).toContain(reason);
    },
  );

  test("reading an answer needs the same credential", async () => {
    const worker = startWorker({}, { ...PRODUCTION, SERVER_KEYS });
    for (const [, headers] of wrong)
      expect((await worker.send("https://ask.example.com/ask/resp_x", { headers })).status).toBe(401);
  });

  test("a server key is accepted without an Origin, from the Worker's own origin, and from that of public_url", async () => {
    const worker = startWorker({ public_url: "https://ask.example.com" }, { SERVER_KEYS });
    const fine = ["http://localhost:8787", "https://ask.example.com"].map((origin): HeaderTable => ({ origin }));
    for (const headers of [{}, ...fine]) {
      const response = await post(worker, { ...as(KEYS.alice), ...headers }, "http://localhost:8787", uniqueText());
      expect(response.status, JSON.stringify(headers)).toBe(200);
    }
  });

  test.each(["bearer", "BEARER", "Bearer  "])("the scheme may be written %j", async (scheme) => {
    const response = await post(
      startWorker({}, { SERVER_KEYS }),
      { authorization: `${scheme} ${KEYS.bob}` },
      undefined,
      uniqueText(),
    );
    expect(response.status).toBe(200);
  });

  test("keys without a name belong to one owner", async () => {
    const [one, two] = ["sk_one_0123456789ab", "sk_two_0123456789ab"];
    const worker = startWorker({}, { SERVER_KEYS: `${one},${two},${SERVER_KEYS}` });
    const { id } = await worker.answer({ input: uniqueText() }, as(one));
    expect((await worker.get(`/ask/${id}`, as(two))).status).toBe(200);
    expect((await worker.get(`/ask/${id}`, as(KEYS.alice))).status).toBe(404);
    expect((await worker.get(`/ask/${id}`)).status).toBe(404);
  });
});

describe("under ENVIRONMENT=local, the Worker", () => {
  const HOSTS = ["http://localhost:8787", "http://127.0.0.1:8787", "http://127.1.2.3", "http://[::1]:9000"];
  const LOCAL = [
    "http://localhost",
    "http://localhost:3000",
    "https://localhost:5173",
    "http://127.0.0.1:1",
    "http://[::1]:8787",
  ];
  const FOREIGN = [
    "https://evil.com",
    "null",
    "http://localhost.evil.com",
    "http://127.0.0.1.evil.com",
    "http://evil.com#localhost",
    "http://localhost@evil.com",
    "file://localhost",
    "chrome-extension://abcdef",
    "http://0.0.0.0:8787",
    "http://192.168.0.2",
    "",
  ];

  test("accepts callers without a credential, if the request has no Origin or a loopback one", async () => {
    const worker = startWorker();
    const input = uniqueText();
    for (const host of HOSTS) expect((await post(worker, {}, host, input)).status, host).toBe(200);
    for (const origin of LOCAL) expect((await post(worker, { origin }, undefined, input)).status, origin).toBe(200);
  });

  test.each(FOREIGN)("refuses a page from %j on routes that cost money or return data", async (origin) => {
    const worker = startWorker();
    const { id } = await worker.answer({ input: uniqueText() });
    const input = uniqueText();
    for (const response of [
      await post(worker, { origin }, undefined, input),
      await worker.get(`/ask/${id}`, { origin }),
    ]) {
      expect(response.status).toBe(403);
      expect(await problemOf(response)).toMatchObject({ code: "origin_not_allowed", type: "permission_error" });
    }
    expect(await calls(input)).toBe(0);
  });

  test("treats anonymous callers and server keys as different owners", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const { id } = await worker.answer({ input: uniqueText() });
    expect((await worker.get(`/ask/${id}`, as(KEYS.alice))).status).toBe(404);
  });

  test.each([
    "https://ask.example.com",
    "http://192.168.0.2:8787",
    "http://localhost.evil.com",
    "http://0.0.0.0:8787",
    "http://127.0.0.1.nip.io",
  ])("refuses every request on %s", async (host) => {
    const input = uniqueText();
    const worker = startWorker({}, { SERVER_KEYS });
    for (const headers of [{}, as(KEYS.alice)]) {
      const response = await post(worker, headers, host, input);
      expect(response.status).toBe(503);
      expect((await problemOf(response)).code).toBe("misconfigured");
    }
    expect(await calls(input)).toBe(0);
  });
});

describe("routes", () => {
  test("/health answers without a credential and makes no outgoing request", async () => {
    const worker = startWorker({}, { ...PRODUCTION, SERVER_KEYS });
    const response = await worker.send("https://ask.example.com/health");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
    expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{24}$/);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await worker.send("https://ask.example.com/health", { method: "HEAD" })).status).toBe(200);
  });

  test.each(["/asks", "/v1/ask", "/ask/a/b", "/health/x", "/%E0%A4%A", "/..%2f", "/ask;x"])(
    "%s is not found",
    async (path) => {
      const response = await startWorker().send(`http://localhost:8787${path}`);
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: "not_found" });
    },
  );

  test.each([
    ["GET", "/ask", "POST"],
    ["PUT", "/ask", "POST"],
    ["DELETE", "/ask", "POST"],
    ["OPTIONS", "/ask", "POST"],
    ["POST", "/ask/resp_x", "GET, HEAD"],
    ["DELETE", "/ask/resp_x", "GET, HEAD"],
    ["POST", "/health", "GET, HEAD"],
    ["PATCH", "/health", "GET, HEAD"],
  ])("%s %s gets 405 and the methods of the path in Allow", async (method, path, allow) => {
    const response = await startWorker().send(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect((await problemOf(response)).code).toBe("method_not_allowed");
  });

  test("HEAD of an answer has headers and no body", async () => {
    const worker = startWorker();
    const { id } = await worker.answer({ input: uniqueText() });
    const response = await worker.send(`/ask/${id}`, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("every response has its own x-request-id, x-content-type-options and CORS headers", async () => {
    const worker = startWorker();
    const origin = "http://localhost:5173";
    const { id } = await worker.answer({ input: uniqueText() });
    const send = (path: string, body: object, headers: HeaderTable = {}): Promise<Response> =>
      worker.send(path, { method: "POST", body: JSON.stringify(body), headers: { origin, ...headers } });
    const input = uniqueText();
    const answers = [
      await send("/ask", { input }),
      await send("/ask", { input, cache: 60 }),
      await send("/ask", { input, cache: 60 }),
      await send("/ask", { input, stream: true }),
      await send("/ask", { input, stream: true }, TEXT),
      await send("/ask", { input }, TEXT),
      await send("/ask", { input, stream: true }, { "idempotency-key": input }),
      await send("/v1/responses", { model: "m", input }),
      await send("/v1/responses", { model: "m", input, stream: true }),
      await worker.get(`/ask/${id}`, { origin }),
      await worker.get(`/v1/responses/${id}`, { origin }),
      await worker.get(`/v1/responses/${id}?stream=true`, { origin }),
      await worker.get(`/v1/responses/${id}/input_items`, { origin }),
      await worker.get("/health", { origin }),
      await send("/ask", {}),
      await send("/ask", { input, stream: true, model: "emulate/401" }),
      await send("/v1/responses", { input: 7 }),
      await worker.get("/nowhere", { origin }),
      await worker.send("/ask", { method: "PUT", headers: { origin } }),
      await worker.send("/ask", { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } }),
    ];
    const ids = new Set<string | null>();
    for (const response of [
      await worker.ask({ input }),
      await worker.ask({}),
      await worker.get("/nowhere"),
      await worker.get("/health"),
    ]) {
      ids.add(response.headers.get("x-request-id"));
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect([response.headers.get("vary"), response.headers.get("access-control-allow-origin")]).toEqual([
        "Origin",
        null,
      ]);
      if (!response.ok) expectEnvelope(response, (await response.json<{ error: unknown }>()).error);
    }
    for (const response of answers) {
      ids.add(response.headers.get("x-request-id"));
      expect(response.headers.get("x-request-id")).toMatch(/^req_[\da-f]{24}$/);
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect([response.headers.get("vary"), response.headers.get("access-control-allow-origin")]).toEqual([
        "Origin",
        origin,
      ]);
      if (!response.ok) expectEnvelope(response, (await response.json<{ error: unknown }>()).error);
      else await response.text();
    }
    expect(ids.size).toBe(answers.length + 4);
  });

  test("upstream gets our key and none of the caller's headers", async () => {
    const input = uniqueText();
    const worker = startWorker({}, { SERVER_KEYS });
    await worker.answer(
      { input },
      { ...as(KEYS.alice), cookie: "a=b", "x-forwarded-for": "1.2.3.4", "x-own": "1", "user-agent": "me" },
    );
    const [call] = await receivedRequests(input);
    expect(call?.headers["authorization"]).toBe(`Bearer ${UPSTREAM_KEY}`);
    for (const name of ["cookie", "x-forwarded-for", "x-own", "origin", "referer"])
      expect(call?.headers).not.toHaveProperty(name);
    const rest = JSON.stringify({ ...call, headers: { ...call?.headers, authorization: "" } });
    expect(rest).not.toContain(UPSTREAM_KEY);
    expect(JSON.stringify(call)).not.toContain(KEYS.alice);
    expect(call?.headers["user-agent"]).toBe("uniapi-edge");
  });
});
