// POST /sessions: session tokens for the users of a backend, and for visitors who solve a Turnstile challenge.
import { describe, expect, inject, test } from "vitest";
import {
  as,
  eachTestAlone,
  type HeaderTable,
  KEYS,
  uniqueText,
  problemOf,
  SERVER_KEYS,
  startWorker,
  type WorkerUnderTest,
} from "./worker.ts";
import { hs256, now, SECRET, SESSION_KEYS } from "./tokens.ts";

const log = eachTestAlone();

const APP = "https://app.example.com";
const presets = { support: {}, sales: {} };
const sessions = { presets: ["support", "sales"], total: { tokens_per_day: 1e9 } };
const CONFIG = { presets, origins: [APP], callers: { sessions } };
const SECRETS = { SERVER_KEYS, SESSION_KEYS };

const postSessions = (
  worker: WorkerUnderTest,
  body: unknown,
  headers: HeaderTable = as(KEYS.alice),
): Promise<Response> =>
  worker.send("/sessions", { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers });

interface Issued {
  token: string;
  expires_at: number;
}
const claimsIn = (token: string): Record<string, unknown> =>
  JSON.parse(atob(token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "")) as Record<string, unknown>;
const headerIn = (token: string): unknown => JSON.parse(atob(token.split(".")[0] ?? ""));

async function readIssued(response: Response): Promise<Issued> {
  expect(response.status).toBe(201);
  expect(response.headers.get("cache-control")).toBe("no-store");
  return response.json();
}

describe("a backend gets a session for its user", () => {
  test("for ten minutes, signed with the first key and valid for POST /ask", async () => {
    const worker = startWorker(CONFIG, { SERVER_KEYS, SESSION_KEYS: `k2:${SECRET}2,${SESSION_KEYS}` });
    const { token, expires_at } = await readIssued(await postSessions(worker, { sub: "ada" }));
    expect(headerIn(token)).toEqual({ alg: "HS256", typ: "JWT", kid: "k2" });
    const { iat } = claimsIn(token);
    expect(claimsIn(token)).toEqual({ sub: "ada", iat, exp: expires_at });
    expect([expires_at - Number(iat), Math.abs(now() - Number(iat)) < 5]).toEqual([600, true]);
    await worker.answer({ input: uniqueText(), preset: "support" }, as(token));
    expect(log.requests().map(({ caller }) => caller)).toEqual(["server", "session"]);
  });

  test("with every claim that narrows the grant", async () => {
    const narrow = {
      sub: "ada",
      presets: ["sales"],
      origin: APP,
      max_output_tokens: 9,
      requests: 2,
      tokens_per_day: 99,
    };
    const { token, expires_at } = await readIssued(
      await postSessions(startWorker(CONFIG, SECRETS), { ...narrow, ttl: 10 }),
    );
    const { iat } = claimsIn(token);
    expect(claimsIn(token)).toEqual({ ...narrow, iat, exp: Number(iat) + 10 });
    expect(expires_at).toBe(Number(iat) + 10);
  });

  test.each<[string, unknown, string, string]>([
    ["invalid JSON", "{", "invalid_json", ""],
    ["a list", [], "invalid_request", ""],
    ["no sub", {}, "invalid_request", "sub"],
    ["an empty sub", { sub: "" }, "invalid_request", "sub"],
    ["a long sub", { sub: "x".repeat(256) }, "invalid_request", "sub"],
    ["half a surrogate pair", { sub: "\ud800" }, "invalid_request", "sub"],
    ["an unknown field", { sub: "a", expires: 5 }, "unknown_parameter", "expires"],
    ["a claim of our own", { sub: "a", via: "turnstile" }, "unknown_parameter", "via"],
    [
      "a preset that sessions do not have",
      { sub: "a", presets: ["support", "staff"] },
      "invalid_request",
      "presets[1]",
    ],
    ["no preset at all", { sub: "a", presets: [] }, "invalid_request", "presets"],
    ["9 seconds", { sub: "a", ttl: 9 }, "invalid_request", "ttl"],
    ["7201 seconds", { sub: "a", ttl: 7_201 }, "invalid_request", "ttl"],
    ["half a second", { sub: "a", ttl: 10.5 }, "invalid_request", "ttl"],
    ["no requests", { sub: "a", requests: 0 }, "invalid_request", "requests"],
    ["a string instead of a number", { sub: "a", tokens_per_day: "5" }, "invalid_request", "tokens_per_day"],
    ["an origin with a path", { sub: "a", origin: `${APP}/x` }, "invalid_request", "origin"],
    ["__proto__", '{"sub":"a","__proto__":{}}', "invalid_request", "__proto__"],
  ])("%s is refused, and the error names the field, if one is at fault", async (_name, body, code, param) => {
    const response = await postSessions(startWorker(CONFIG, SECRETS), body);
    expect([response.status, await problemOf(response)]).toEqual([400, expect.objectContaining({ code, param })]);
  });

  test("a body larger than 16 KiB is refused", async () => {
    expect((await postSessions(startWorker(CONFIG, SECRETS), { sub: "x".repeat(16_384) })).status).toBe(413);
  });

  test("only with a server key: a session token can't create another one", async () => {
    const worker = startWorker(CONFIG, SECRETS);
    const { token } = await readIssued(await postSessions(worker, { sub: "ada" }));
    const response = await postSessions(worker, { sub: "bob" }, as(token));
    expect([response.status, (await problemOf(response)).code]).toEqual([403, "insufficient_scope"]);
    expect((await postSessions(worker, { sub: "bob" }, as("sk_never_0123456789"))).status).toBe(401);
    await readIssued(await postSessions(worker, { sub: "bob" }, {}));
    const production = startWorker(CONFIG, {
      ...SECRETS,
      ENVIRONMENT: "production",
      UNIAPI_BASE_URL: "https://uniapi.invalid",
    });
    expect((await postSessions(production, { sub: "bob" }, {})).status).toBe(401);
  });

  test("without callers.sessions or SESSION_KEYS, the error names the missing setting", async () => {
    for (const [worker, missing] of [
      [startWorker({}, SECRETS), "callers.sessions"],
      [startWorker(CONFIG, { SERVER_KEYS }), "SESSION_KEYS"],
    ] as const) {
      const response = await postSessions(worker, { sub: "ada" });
      const problem = await problemOf(response);
      expect([response.status, problem.code, problem.message]).toEqual([
        503,
        "misconfigured",
        expect.stringContaining(missing),
      ]);
    }
  });

  test.each(["secretly", "k1:", "k1:secretly,k1:other"])(
    "SESSION_KEYS=%s fails with the setting's name and without its value",
    async (value) => {
      const response = await startWorker(CONFIG, { SERVER_KEYS, SESSION_KEYS: value }).get("/health");
      const { message } = await problemOf(response);
      expect(response.status).toBe(503);
      expect(message).toContain("SESSION_KEYS");
      expect(JSON.stringify([message, log.lines()])).not.toContain("secretly");
    },
  );
});

describe("a visitor gets a session for a solved Turnstile challenge", () => {
  let serial = 0;
  /** The exchange as a page makes it. `verdict` becomes the response of siteverify. */
  function turnstileWorker(more: object = {}, settings: object = {}) {
    const name = `t${(serial += 1)}`;
    const verify_url = `${inject("issuerUrl")}/verify/${name}`;
    const turnstile = {
      hostname: "app.example.com",
      action: "chat",
      presets: ["support"],
      ttl: 60,
      verify_url,
      ...more,
    };
    const worker = startWorker(
      { ...CONFIG, callers: { sessions, turnstile } },
      { ...SECRETS, TURNSTILE_SECRET: "turnstile-canary-77", ...settings },
    );
    const exchange = (
      verdict: unknown = SOLVED,
      body: object = {},
      headers: HeaderTable = { origin: APP },
    ): Promise<Response> =>
      postSessions(
        worker,
        { turnstile: typeof verdict === "string" ? verdict : `200 ${JSON.stringify(verdict)}`, ...body },
        headers,
      );
    const verifications = async (): Promise<string[]> =>
      (await (await fetch(`${inject("issuerUrl")}/asked/${name}`)).json<{ bodies: string[] }>()).bodies;
    return { worker, exchange, verifications };
  }
  const SOLVED = { success: true, hostname: "app.example.com", action: "chat" };

  test("of a random user, bound to the page's origin, with presets and ttl from the config", async () => {
    const { worker, exchange, verifications } = turnstileWorker();
    const response = await exchange(SOLVED, {}, { origin: APP, "cf-connecting-ip": "2001:db8::5" });
    expect(response.headers.get("access-control-allow-origin")).toBe(APP);
    const { token, expires_at } = await readIssued(response);
    const { sub, iat } = claimsIn(token);
    expect(claimsIn(token)).toEqual({ sub, iat, exp: expires_at, presets: ["support"], origin: APP, via: "turnstile" });
    expect([sub, expires_at - Number(iat)]).toEqual([expect.stringMatching(/^visitor-[0-9a-f]{32}$/), 60]);
    expect(claimsIn((await readIssued(await exchange())).token)["sub"]).not.toBe(sub);
    const form = new URLSearchParams((await verifications())[0]);
    expect([form.get("secret"), form.get("remoteip"), [...form.keys()]]).toEqual([
      "turnstile-canary-77",
      "2001:db8::5",
      ["secret", "response", "remoteip"],
    ]);
    await worker.answer({ input: uniqueText(), preset: "support" }, { origin: APP, ...as(token) });
    expect(JSON.stringify(log.lines())).not.toContain("turnstile-canary");
  });

  test.each<[string, unknown, string]>([
    ["it is not solved", { success: false, "error-codes": ["invalid-input-response"] }, "turnstile_refused"],
    ["it was used before", { success: false, "error-codes": ["timeout-or-duplicate"] }, "turnstile_refused"],
    ["it is another page's", { ...SOLVED, hostname: "evil.example.com" }, "turnstile_hostname"],
    ["it has no page", { success: true, action: "chat" }, "turnstile_hostname"],
    ["it is another action's", { ...SOLVED, action: "login" }, "turnstile_action"],
    ["it has no action", { success: true, hostname: "app.example.com" }, "turnstile_action"],
  ])("but not if %s", async (_name, verdict, reason) => {
    const response = await turnstileWorker().exchange(verdict);
    expect([response.status, (await problemOf(response)).code]).toEqual([401, "invalid_credentials"]);
    expect(log.requests().at(-1)).toMatchObject({ reason });
  });

  test.each([
    ["500 {}"],
    ["302 "],
    ["200 <html>"],
    ["200 []"],
    ["200 {}"],
    ['200 {"success":"true","hostname":"app.example.com","action":"chat"}'],
    ['200 {"success":1}'],
    ['200 {"success":false,"error-codes":["internal-error"]}'],
  ])("but gets 503 if siteverify gives no clear verdict: %s", async (verdict) => {
    const response = await turnstileWorker().exchange(verdict);
    expect([response.status, (await problemOf(response)).code]).toEqual([503, "unavailable"]);
  });

  test("but gets 503 if siteverify can't be reached", async () => {
    const response = await turnstileWorker({ verify_url: "http://127.0.0.1:9/siteverify" }).exchange();
    expect([response.status, (await problemOf(response)).code]).toEqual([503, "unavailable"]);
  });

  test("but gets 503 misconfigured if the secret is invalid or missing, or a setting is missing", async () => {
    const refused = await turnstileWorker().exchange({ success: false, "error-codes": ["invalid-input-secret"] });
    const unset = await turnstileWorker({}, { TURNSTILE_SECRET: "" }).exchange();
    for (const response of [refused, unset]) {
      expect(response.status).toBe(503);
      expect((await problemOf(response)).message).toContain("TURNSTILE_SECRET");
    }
    const off = await postSessions(startWorker(CONFIG, SECRETS), { turnstile: "x" }, { origin: APP });
    expect((await problemOf(off)).message).toContain("callers.turnstile");
    const bad = await startWorker(CONFIG, { ...SECRETS, TURNSTILE_SECRET: "two secretly words" }).get("/health");
    expect(JSON.stringify(await problemOf(bad))).toMatch(/TURNSTILE_SECRET(?!.*secretly)/);
  });

  test("only on a page from an allowed origin", async () => {
    const { exchange, verifications } = turnstileWorker();
    for (const headers of [{}, { origin: "https://evil.example" }, { origin: "null" }, { origin: `${APP}:8443` }]) {
      const response = await exchange(SOLVED, {}, headers as HeaderTable);
      expect([response.status, (await problemOf(response)).code]).toEqual([403, "origin_not_allowed"]);
    }
    expect(await verifications()).toEqual([]);
  });

  test("without other fields: a page can't choose its user or its presets", async () => {
    for (const field of ["sub", "presets", "ttl", "origin", "requests"]) {
      const response = await turnstileWorker().exchange(SOLVED, { [field]: "x" });
      expect(await problemOf(response)).toMatchObject({ code: "unknown_parameter", param: field });
    }
  });

  describe("and renews it", () => {
    const old = (more: object = {}, secret = SECRET): string =>
      hs256({ sub: "visitor-1", exp: now() - 60, via: "turnstile", origin: APP, ...more }, secret);

    test("for the same user, up to 30 days after its end", async () => {
      const { exchange } = turnstileWorker();
      for (const exp of [now() + 60, now() - 60, now() - 30 * 86_400 + 60]) {
        const { token } = await readIssued(await exchange(SOLVED, { renew: old({ exp }) }));
        expect(claimsIn(token)).toMatchObject({ sub: "visitor-1", via: "turnstile", presets: ["support"] });
      }
    });

    test.each<[string, string]>([
      ["a token that is too old", old({ exp: now() - 30 * 86_400 - 5 })],
      ["a token of a backend's user", old({ via: undefined })],
      ["a token of another page", old({ origin: "https://other.example.com" })],
      ["a token without an origin", old({ origin: undefined })],
      ["a forged token", old({}, "another-secret-of-thirty-two-bytes")],
      ["a token without a user", old({ sub: undefined })],
      ["a text that is not a token", "visitor-1"],
      ["a key", KEYS.alice],
    ])("but not for %s, without verifying the solution", async (_name, renew) => {
      const { exchange, verifications } = turnstileWorker();
      const response = await exchange(SOLVED, { renew });
      expect([response.status, (await problemOf(response)).code]).toEqual([401, "invalid_credentials"]);
      expect(await verifications()).toEqual([]);
    });
  });
});

test("GET /sessions gets 405", async () => {
  const response = await startWorker().get("/sessions");
  expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
});

test("unsafe settings are logged once per isolate", async () => {
  const worker = startWorker(
    { presets, callers: { sessions: { presets: ["support"] } } },
    { SERVER_KEYS, SESSION_KEYS: "short:canary" },
  );
  for (let at = 0; at < 3; at += 1) await worker.get("/health");
  const events = log.warnings().map(({ event }) => event);
  expect(events.map((event) => event.split(":")[0])).toEqual(["origins_missing", "session_key_short"]);
  expect(events.join(" ")).not.toContain("canary");
});
