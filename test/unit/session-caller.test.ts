// The caller that each credential becomes: authenticate() alone, in Node, without bindings.
import { describe, expect, test } from "vitest";
import type { Caller, Deps } from "../../src/deps.ts";
import { authenticate } from "../../src/gate/authenticate.ts";
import { readPublishableKeys } from "../../src/gate/publishable-key.ts";
import { createHarness } from "../support/answer-harness.ts";
import { hs256, SESSION_KEYS, SECRET } from "../worker/tokens.ts";
import { sessionKeysOf } from "../../src/core/config/vars.ts";

const PK = "pk_0123456789abcdefghij";
const CONFIG = {
  presets: { support: {}, sales: {}, staff: {} },
  origins: ["https://app.example.com"],
  callers: {
    publishable: [
      {
        id: "site",
        key: PK,
        presets: ["support"],
        per_visitor: { requests_per_minute: 3 },
        total: { tokens_per_day: 9 },
      },
    ],
    sessions: {
      presets: ["support", "sales"],
      per_user: { tokens_per_day: 100, requests_per_minute: 7 },
      total: { tokens_per_day: 1_000 },
    },
  },
};

const { deps: bare } = await createHarness(CONFIG);
const publishableKeys = await readPublishableKeys(bare.config.callers.publishable, bare.idKeys);
const deps: Deps = { ...bare, local: true, sessionKeys: sessionKeysOf(SESSION_KEYS), publishableKeys };
const NOW = deps.now() / 1_000;

function whoIs(credential: string, headers: Record<string, string> = {}, given: Deps = deps): Promise<Caller> {
  return authenticate(
    given,
    new Request("https://ask.example.com/ask", { headers: { authorization: `Bearer ${credential}`, ...headers } }),
    () => undefined,
  );
}
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const claims = (more: object = {}): Record<string, unknown> => ({ sub: "ada", exp: NOW + 60, ...more });
const withClaims = (more: object): Promise<Caller> => whoIs(hs256(claims(more)));
const reason = (is: string): Error =>
  expect.objectContaining({ code: "invalid_credentials", details: { reason: is } }) as Error;

describe("a publishable key", () => {
  const at = (ip: string): Promise<Caller> => whoIs(PK, { "cf-connecting-ip": ip });

  test("has its presets, the budget of its visitor and the total budget of the key", async () => {
    const caller = await at("203.0.113.7");
    expect(caller).toMatchObject({ kind: "publishable", grant: { presets: ["support"] } });
    expect(caller.budgets).toEqual([
      {
        name: expect.stringMatching(/^visitor:[\w-]{43}$/) as string,
        whose: "visitor",
        limits: { requests_per_minute: 3 },
      },
      { name: "total:publishable:site", whose: "total", limits: { tokens_per_day: 9 } },
    ]);
    expect(JSON.stringify(caller)).not.toContain("203.0.113");
  });

  test("has one visitor per network, and one for all requests without an address", async () => {
    const names = [];
    for (const ip of ["2001:db8::1", "2001:db8:0:0:5::", "2001:db8:0:1::1", "203.0.113.7"])
      names.push((await at(ip)).budgets[0]?.name);
    names.push((await whoIs(PK)).budgets[0]?.name, (await whoIs(PK)).budgets[0]?.name);
    expect(names[0]).toBe(names[1]);
    expect(names[4]).toBe(names[5]);
    expect(new Set(names).size).toBe(4);
  });
});

describe("a session token", () => {
  test("has the config's grant, and the user's budget before the total", async () => {
    const caller = await withClaims({});
    expect(caller).toEqual({
      kind: "session",
      owner: expect.stringMatching(/^[\w-]{22}$/) as string,
      grant: { presets: ["support", "sales"] },
      budgets: [
        { name: `owner:${caller.owner}`, whose: "user", limits: { tokens_per_day: 100, requests_per_minute: 7 } },
        { name: "total:sessions", whose: "total", limits: { tokens_per_day: 1_000 } },
      ],
    });
  });

  test("has claims that narrow the config's grant and never widen it", async () => {
    const caller = await withClaims({
      presets: ["staff", "sales", "made-up"],
      max_output_tokens: 50,
      tokens_per_day: 20,
    });
    expect(caller.grant).toEqual({ presets: ["sales"], maxOutputTokens: 50 });
    expect(caller.budgets[0]?.limits).toEqual({ tokens_per_day: 20, requests_per_minute: 7 });
    expect((await withClaims({ tokens_per_day: 10_000 })).budgets[0]?.limits.tokens_per_day).toBe(100);
    expect(
      (await withClaims({ model: "gpt-6-sol", limits: {}, grant: {}, kind: "server", refused: "no" })).grant,
    ).toEqual({
      presets: ["support", "sales"],
    });
  });

  test("with a cap on requests is counted as one token, however its signature is encoded", async () => {
    const token = hs256(claims({ requests: 3 }));
    const one = await whoIs(token);
    expect(one.budgets[0]?.token).toEqual({
      id: expect.stringMatching(/^[\w-]{43}$/) as string,
      requests: 3,
      expires: NOW + 60,
    });
    // The last character of the signature has two unused bits.
    const last = ALPHABET[ALPHABET.indexOf(token.at(-1) ?? "") ^ 1] ?? "";
    expect((await whoIs(token.slice(0, -1) + last)).budgets[0]?.token?.id).toBe(one.budgets[0]?.token?.id);
    expect((await withClaims({ requests: 3, jti: "2" })).budgets[0]?.token?.id).not.toBe(one.budgets[0]?.token?.id);
  });

  test("belongs to its `sub`, regardless of key and issuer", async () => {
    const { owner } = await withClaims({});
    const rotated = { ...deps, sessionKeys: sessionKeysOf(`k2:another-secret-of-thirty-two-bytes,${SESSION_KEYS}`) };
    const fresh = hs256(claims({ iss: "else" }), "another-secret-of-thirty-two-bytes", { kid: "k2" });
    expect((await whoIs(fresh, {}, rotated)).owner).toBe(owner);
    expect((await whoIs(hs256(claims()), {}, rotated)).owner).toBe(owner);
    expect((await withClaims({ sub: "bob" })).owner).not.toBe(owner);
  });

  test("may omit its key id if there is one key, and must have it if there are two", async () => {
    const nameless = hs256(claims(), SECRET, {});
    expect((await whoIs(nameless)).kind).toBe("session");
    const two = { ...deps, sessionKeys: sessionKeysOf(`${SESSION_KEYS},k2:${SECRET}`) };
    await expect(whoIs(nameless, {}, two)).rejects.toEqual(reason("unknown_kid"));
    await expect(whoIs(hs256(claims(), SECRET, { kid: "k3" }))).rejects.toEqual(reason("unknown_kid"));
  });

  test("ends exactly at `exp`, and may begin up to a minute in the future", async () => {
    await expect(withClaims({ exp: NOW })).rejects.toEqual(reason("expired"));
    await expect(withClaims({ exp: NOW - 1 })).rejects.toEqual(reason("expired"));
    expect((await withClaims({ exp: NOW + 1, iat: NOW + 60, nbf: NOW + 60 })).kind).toBe("session");
    await expect(withClaims({ iat: NOW + 61 })).rejects.toEqual(reason("not_yet_valid"));
    await expect(withClaims({ nbf: NOW + 61 })).rejects.toEqual(reason("not_yet_valid"));
  });

  test.each<[string, object]>([
    ["missing_claim", { sub: undefined }],
    ["missing_claim", { exp: undefined }],
    ["malformed_claim", { sub: "" }],
    ["malformed_claim", { sub: 7 }],
    ["malformed_claim", { sub: null }],
    ["malformed_claim", { sub: "x".repeat(256) }],
    ["malformed_claim", { sub: "\ud800" }],
    ["malformed_claim", { exp: null }],
    ["malformed_claim", { exp: String(NOW + 60) }],
    ["malformed_claim", { nbf: "now" }],
    ["malformed_claim", { iat: "now" }],
    ["not_granted", { presets: [] }],
    ["not_granted", { presets: ["staff"] }],
    ["malformed_claim", { presets: "support" }],
    ["malformed_claim", { presets: null }],
    ["malformed_claim", { presets: [["support"]] }],
    ["malformed_claim", { origin: 7 }],
    ["malformed_claim", { max_output_tokens: 0 }],
    ["malformed_claim", { max_output_tokens: "50" }],
    ["malformed_claim", { requests: 1.5 }],
    ["malformed_claim", { requests: -1 }],
    ["malformed_claim", { tokens_per_day: null }],
    ["malformed_claim", { tokens_per_day: 2 ** 53 }],
  ])("is refused (%s) with %j", async (is, more) => {
    await expect(withClaims(more)).rejects.toEqual(reason(is));
  });

  test("with an infinite `exp` is refused", async () => {
    const text = `${Buffer.from('{"alg":"HS256","kid":"k1"}').toString("base64url")}.${Buffer.from('{"sub":"ada","exp":1e999}').toString("base64url")}`;
    const { createHmac } = await import("node:crypto");
    await expect(whoIs(`${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`)).rejects.toEqual(
      reason("malformed_claim"),
    );
  });

  test("bound to an origin is refused from another one, and accepted without one", async () => {
    const token = hs256(claims({ origin: "https://app.example.com" }));
    const elsewhere = {
      ...deps,
      config: { ...deps.config, origins: [...deps.config.origins, "https://other.example.com"] },
    };
    for (const origin of ["https://other.example.com", "https://ask.example.com"]) {
      await expect(whoIs(token, { origin }, elsewhere)).rejects.toEqual(reason("wrong_origin"));
    }
    expect((await whoIs(token, { origin: "https://app.example.com" })).kind).toBe("session");
    expect((await whoIs(token)).kind).toBe("session");
  });

  test("is refused without callers.sessions or without SESSION_KEYS", async () => {
    const { sessions: _, ...callers } = deps.config.callers;
    const none = { ...deps, config: { ...deps.config, callers: { ...callers, sessions: undefined } } };
    for (const given of [none, { ...deps, sessionKeys: [] }])
      await expect(whoIs(hs256(claims()), {}, given)).rejects.toEqual(reason("no_sessions"));
  });
});
