// Every kind of credential over HTTP: its acceptance, its refusal, the page that sends it, and the rotation of secrets.
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import {
  as,
  calls,
  eachTestAlone,
  type HeaderTable,
  ID_KEY,
  KEYS,
  uniqueText,
  problemOf,
  SERVER_KEYS,
  startWorker,
  type WorkerUnderTest,
} from "./worker.ts";
import { claimsOf, hs256, now, SECRET, SESSION_KEYS, signer, unsignedToken } from "./tokens.ts";

const log = eachTestAlone();

const APP = "https://app.example.com";
const PK = "pk_site_0123456789abcdef";
const PRODUCTION = { ENVIRONMENT: "production", UNIAPI_BASE_URL: "https://uniapi.invalid", SERVER_KEYS, SESSION_KEYS };
const publishable = [{ id: "site", key: PK, presets: ["support"], total: { tokens_per_day: 1e9 } }];
const CONFIG = {
  presets: { support: {} },
  origins: [APP],
  callers: { publishable, sessions: { presets: ["support"] } },
};
const SECRETS = { SERVER_KEYS, SESSION_KEYS };

const ask = (worker: WorkerUnderTest, headers: HeaderTable, input = uniqueText()): Promise<Response> =>
  worker.ask({ input, preset: "support" }, headers);
const session = (more: object = {}): string => hs256(claimsOf("ada", more));

test("each kind of credential is accepted as its kind of caller", async () => {
  const worker = startWorker(CONFIG, SECRETS);
  for (const credential of [KEYS.alice, PK, session()]) expect((await ask(worker, as(credential))).status).toBe(200);
  expect(log.requests().map(({ caller }) => caller)).toEqual(["server", "publishable", "session"]);
});

test("every 401 has the same message and headers, whether the key, the user or the preset exists or not", async () => {
  const worker = startWorker(CONFIG, PRODUCTION);
  const rsa = signer("RS256");
  const wrong: [string, string][] = [
    ["unknown_key", "pk_never_0123456789abcdef"],
    ["unknown_key", PK.slice(0, -1)],
    ["unknown_key", `${PK}x`],
    ["unknown_key", PK.toUpperCase()],
    ["unknown_key", "sk_never_0123456789"],
    ["unknown_key", "not-a-key-at-all"],
    ["unknown_key", "a.b"],
    ["expired", session({ exp: now() - 1 })],
    ["not_yet_valid", session({ nbf: now() + 120 })],
    ["missing_claim", session({ exp: undefined })],
    ["not_granted", session({ presets: ["staff"] })],
    ["bad_signature", hs256(claimsOf("ada"), "another-secret-of-thirty-two-bytes")],
    ["unknown_kid", hs256(claimsOf("ada"), SECRET, { kid: "k9" })],
    ["wrong_issuer", rsa.token(claimsOf("ada", { iss: "https://nobody.example" }))],
    ["wrong_algorithm", `${unsignedToken({ alg: "none" }, claimsOf("ada"))}.`],
    ["malformed_token", "a.b.c"],
  ];
  const seen = new Set<string>();
  const work = [vi.spyOn(env.RESPONSES, "get"), vi.spyOn(env.BUDGETS, "getByName"), vi.spyOn(globalThis, "fetch")];
  for (const [reason, credential] of wrong) {
    const response = await worker.send("https://ask.example.com/ask", {
      method: "POST",
      body: "hi",
      headers: as(credential),
    });
    const problem = await problemOf(response);
    expect(log.requests().at(-1), credential).toMatchObject({ status: 401, reason });
    const headers = [...response.headers].filter(([name]) => name !== "x-request-id");
    seen.add(JSON.stringify([response.status, { ...problem, request_id: "" }, headers]));
    expect(problem.message).not.toContain(reason);
  }
  expect(seen.size).toBe(1);
  for (const one of work) expect(one, "no binding and no host is called for any of them").not.toHaveBeenCalled();
});

test("under ENVIRONMENT=local the message contains the reason", async () => {
  const worker = startWorker(CONFIG, SECRETS);
  for (const [reason, credential] of [
    ["expired", session({ exp: now() - 1 })],
    ["unknown_key", "pk_never_0123456789abcdef"],
  ] as const) {
    expect((await problemOf(await ask(worker, as(credential)))).message).toContain(reason);
  }
});

describe("a page that sends a credential", () => {
  const FOREIGN = [
    "https://evil.example",
    "null",
    `${APP}:8443`,
    "http://app.example.com",
    `${APP}.evil.example`,
    "http://localhost:5173",
    "",
  ];
  const CREDENTIALS: [string, string][] = [
    ["a publishable key", PK],
    ["an unknown publishable key", "pk_never_0123456789abcdef"],
    ["a session", session()],
    ["an expired session", session({ exp: now() - 1 })],
    ["a malformed token", "a.b.c"],
    ["an arbitrary string", "hello"],
  ];

  test.each(CREDENTIALS)("must have an origin from the config, before %s is checked", async (_name, credential) => {
    const worker = startWorker(CONFIG, SECRETS);
    for (const origin of FOREIGN) {
      const input = uniqueText();
      const response = await ask(worker, { origin, ...as(credential) }, input);
      expect([response.status, response.headers.get("access-control-allow-origin")], origin).toEqual([403, null]);
      expect((await problemOf(response)).code).toBe("origin_not_allowed");
      expect(await calls(input)).toBe(0);
    }
  });

  test.each([PK, session()])(
    "may have an origin from the config, the Worker's own origin, or no origin",
    async (credential) => {
      const worker = startWorker(CONFIG, SECRETS);
      const input = uniqueText();
      for (const headers of [{}, { origin: APP }, { origin: "http://localhost:8787" }]) {
        expect((await ask(worker, { ...headers, ...as(credential) } as HeaderTable, input)).status).toBe(200);
      }
    },
  );

  test("must not use a server key, known or unknown, even if its origin is in the config", async () => {
    const worker = startWorker(CONFIG, SECRETS);
    for (const key of [KEYS.alice, "sk_never_0123456789"]) {
      for (const origin of [APP, ...FOREIGN])
        expect((await ask(worker, { origin, ...as(key) })).status, origin).toBe(401);
    }
  });

  test("must have the origin that the session token names", async () => {
    const worker = startWorker({ ...CONFIG, origins: [APP, "https://other.example.com"] }, SECRETS);
    const token = session({ origin: APP });
    expect((await ask(worker, { origin: APP, ...as(token) })).status).toBe(200);
    const response = await ask(worker, { origin: "https://other.example.com", ...as(token) });
    expect([response.status, log.requests().at(-1)?.["reason"]]).toEqual([401, "wrong_origin"]);
  });

  test("can read every error if its origin is allowed, even if the Worker is not set up", async () => {
    const broken = startWorker(CONFIG, { ...SECRETS, UNIAPI_KEY: "" });
    for (const response of [
      await ask(broken, { origin: APP, ...as(PK) }),
      await ask(startWorker(CONFIG, SECRETS), { origin: APP, ...as("pk_never_0123456789abcdef") }),
      await startWorker({ origins: [APP] }, { ...PRODUCTION, SERVER_KEYS: "", SESSION_KEYS: "" }).get("/health", {
        origin: APP,
      }),
    ]) {
      expect([503, 401]).toContain(response.status);
      expect([response.headers.get("access-control-allow-origin"), response.headers.get("vary")]).toEqual([
        APP,
        "Origin",
      ]);
    }
    expect(
      (await ask(broken, { origin: "https://evil.example", ...as(PK) })).headers.get("access-control-allow-origin"),
    ).toBeNull();
  });
});

describe("the settings that admit callers", () => {
  const health = (config: object, settings: object): Promise<Response> =>
    startWorker(
      { presets: { support: {} }, ...config },
      { ...PRODUCTION, SERVER_KEYS: "", SESSION_KEYS: "", ...settings },
    ).get("/health");
  const jwt = [
    {
      issuer: "https://id.example.com/",
      audience: "app",
      jwks_url: "https://id.example.com/jwks",
      presets: ["support"],
    },
  ];
  const sessions = { presets: ["support"] };

  test.each<[string, object, object]>([
    ["a server key", {}, { SERVER_KEYS }],
    ["a publishable key", { callers: { publishable } }, {}],
    ["sessions and their keys", { callers: { sessions } }, { SESSION_KEYS }],
    ["an identity provider", { callers: { jwt } }, {}],
  ])("a Worker can have callers with %s", async (_name, config, settings) => {
    expect((await health(config, settings)).status).toBe(200);
  });

  test.each<[string, object, object]>([
    ["no settings", {}, {}],
    ["sessions without keys", { callers: { sessions } }, {}],
    ["keys without sessions", {}, { SESSION_KEYS }],
  ])("a Worker can't have callers with %s", async (_name, config, settings) => {
    expect((await health(config, settings)).status).toBe(503);
  });
});

describe("secrets rotate without losing a conversation", () => {
  /** A conversation that began before the rotation continues after it. */
  async function expectContinues(
    before: WorkerUnderTest,
    after: WorkerUnderTest,
    first: string,
    second: string,
  ): Promise<void> {
    const question = uniqueText();
    const { id } = await before.answer({ input: question, preset: "support" }, as(first));
    const next = await after.answer({ input: uniqueText(), preset: "support", previous_response_id: id }, as(second));
    expect(next.text).toContain(question);
    expect((await after.get(`/ask/${id}`, as(second))).status).toBe(200);
  }

  test("SESSION_KEYS: a new first key, then the removal of the old key", async () => {
    const fresh = "a-fresh-session-secret-of-32-bytes-";
    const both = startWorker(CONFIG, { ...SECRETS, SESSION_KEYS: `k2:${fresh},${SESSION_KEYS}` });
    const token = hs256(claimsOf("ada"), fresh, { kid: "k2" });
    await expectContinues(startWorker(CONFIG, SECRETS), both, session(), session());
    await expectContinues(startWorker(CONFIG, SECRETS), both, session(), token);
    const waitUntil = startWorker(CONFIG, { ...SECRETS, SESSION_KEYS: `k2:${fresh}` });
    await expectContinues(both, waitUntil, session(), token);
    expect((await ask(waitUntil, as(session()))).status).toBe(401);
  });

  test("ID_KEYS: a new first key, with the last key unchanged", async () => {
    const fresh = btoa("a fresh id key of thirty-2 bytes");
    await expectContinues(
      startWorker(CONFIG, SECRETS),
      startWorker(CONFIG, { ...SECRETS, ID_KEYS: `${fresh},${ID_KEY}` }),
      session(),
      session(),
    );
  });

  test("SERVER_KEYS: a new key with the same name", async () => {
    const fresh = "sk_alice_third_0123456789";
    const after = startWorker(CONFIG, { ...SECRETS, SERVER_KEYS: `alice:${fresh}` });
    await expectContinues(startWorker(CONFIG, SECRETS), after, KEYS.alice, fresh);
    expect((await ask(after, as(KEYS.alice))).status).toBe(401);
  });
});
