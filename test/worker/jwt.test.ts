// Tokens of an identity provider over HTTP: accepted, refused, and the provider's key set.
import { createHmac } from "node:crypto";
import { describe, expect, inject, test } from "vitest";
import {
  as,
  eachTestAlone,
  type HeaderTable,
  uniqueText,
  problemOf,
  startWorker,
  type WorkerUnderTest,
} from "./worker.ts";
import { claimsOf, hs256, now, SESSION_KEYS, type Signer, signer, unsignedToken } from "./tokens.ts";

const log = eachTestAlone();

const ISSUER = "https://id.example.com/";
const APP = "https://app.example.com";
const [rsa, ec, ed] = [signer("RS256"), signer("ES256"), signer("EdDSA")];

/** A new identity provider with these keys, and a Worker that trusts it. */
async function provider(signers: Signer[], entry: object = {}) {
  const name = crypto.randomUUID();
  const jwks_url = `${inject("issuerUrl")}/jwks/${name}`;
  const publish = (given: Signer[], status = 200): Promise<unknown> =>
    fetch(jwks_url, {
      method: "PUT",
      body: JSON.stringify({ keys: given.map(({ jwk }) => jwk) }),
      headers: { "x-status": String(status) },
    });
  await publish(signers);
  const jwt = [{ issuer: ISSUER, audience: "app", jwks_url, presets: ["support"], ...entry }];
  const config = { presets: { support: {} }, origins: [APP], callers: { jwt, sessions: { presets: ["support"] } } };
  const loads = async (): Promise<number> =>
    (await (await fetch(`${inject("issuerUrl")}/asked/${name}`)).json<{ count: number }>()).count;
  return { publish, loads, jwks_url, jwt, config, worker: startWorker(config, { SESSION_KEYS }) };
}

const validClaims = (more: object = {}): Record<string, unknown> =>
  claimsOf("ada", { iss: ISSUER, aud: "app", ...more });
const ask = (worker: WorkerUnderTest, token: string, headers: HeaderTable = {}): Promise<Response> =>
  worker.ask({ input: uniqueText(), preset: "support" }, { ...as(token), ...headers });

async function refusal(response: Response): Promise<unknown> {
  const { code } = await problemOf(response);
  return [response.status, code, log.requests().at(-1)?.["reason"]];
}
const refusalFor = (reason: string): unknown => [401, "invalid_credentials", reason];

test.each([rsa, ec, ed])("a token from the provider is accepted: $alg", async (by) => {
  const { worker } = await provider([rsa, ec, ed]);
  expect((await ask(worker, by.token(validClaims()))).status).toBe(200);
  expect((await ask(worker, by.token(validClaims({ aud: ["other", "app"] })), { origin: APP })).status).toBe(200);
  expect(log.requests().map(({ caller }) => caller)).toEqual(["jwt", "jwt"]);
});

test("the owner depends on issuer and sub, not on the key or the audience", async () => {
  const { worker } = await provider([rsa, ec]);
  const { id } = await worker.answer({ input: uniqueText(), preset: "support" }, as(rsa.token(validClaims())));
  expect((await worker.get(`/ask/${id}`, as(ec.token(validClaims({ iat: now() }))))).status).toBe(200);
  expect((await worker.get(`/ask/${id}`, as(ec.token(validClaims({ sub: "bob" }))))).status).toBe(404);
  expect((await worker.get(`/ask/${id}`, as(hs256(claimsOf("ada"))))).status).toBe(404);
});

test.each(["per_user", "total"])("a user from the provider is limited by %s", async (whose) => {
  const { worker } = await provider([rsa], { [whose]: { tokens_per_day: 50 } });
  const response = await ask(worker, rsa.token(validClaims({ sub: crypto.randomUUID() })));
  const { code, message } = await problemOf(response);
  expect([
    response.status,
    code,
    message.includes(whose === "total" ? "all callers of this kind" : "this user"),
  ]).toEqual([429, "budget_exceeded", true]);
});

test("several entries may share an issuer; the audience selects one", async () => {
  const { jwt, config, loads, jwks_url } = await provider([rsa]);
  const other = { ...jwt[0], issuer: ISSUER, audience: "shop", jwks_url, presets: ["support"], azp: ["shop-web"] };
  const worker = startWorker({ ...config, callers: { jwt: [...jwt, other] } });
  expect((await ask(worker, rsa.token(validClaims()))).status).toBe(200);
  expect((await ask(worker, rsa.token(validClaims({ aud: "shop", azp: "shop-web" })))).status).toBe(200);
  expect(await refusal(await ask(worker, rsa.token(validClaims({ aud: "shop" }))))).toEqual(refusalFor("wrong_client"));
  expect(await loads()).toBe(1);
});

describe("refused tokens", () => {
  test.each<[string, object]>([
    ["wrong_issuer", { iss: "https://id.example.com" }],
    ["wrong_issuer", { iss: undefined }],
    ["wrong_issuer", { iss: [ISSUER] }],
    ["wrong_audience", { aud: "other" }],
    ["wrong_audience", { aud: [] }],
    ["missing_claim", { aud: undefined }],
    ["missing_claim", { sub: undefined }],
    ["missing_claim", { exp: undefined }],
    ["malformed_claim", { sub: "" }],
    ["malformed_claim", { sub: 7 }],
    ["expired", { exp: now() - 1 }],
    ["not_yet_valid", { nbf: now() + 120 }],
    ["not_yet_valid", { iat: now() + 120 }],
    ["wrong_client", { azp: "other" }],
    ["wrong_client", { azp: ["web"] }],
  ])("refused as %s: a token with the claims %j", async (reason, more) => {
    const { worker } = await provider([rsa], { azp: ["web", "ios"] });
    expect((await ask(worker, rsa.token(validClaims({ azp: "ios" })))).status).toBe(200);
    expect(await refusal(await ask(worker, rsa.token(validClaims({ azp: "web", ...more }))))).toEqual(
      refusalFor(reason),
    );
  });

  test("HS256 with the RSA public key as its secret: the PEM or the JWK", async () => {
    const { worker } = await provider([rsa]);
    for (const secret of [rsa.pem, rsa.pem.trim(), JSON.stringify(rsa.jwk), String(rsa.jwk["n"])]) {
      for (const header of [{ kid: rsa.kid }, { kid: "k1" }, {}])
        expect((await ask(worker, hs256(validClaims(), secret, header))).status).toBe(401);
    }
  });

  test("alg none in any spelling, and algorithms that are not supported", async () => {
    const { worker } = await provider([rsa]);
    for (const alg of ["none", "None", "NONE", "", "HS512", "RS512", "PS256", "ES384"]) {
      for (const signature of ["", "AAAA", rsa.token(validClaims()).split(".")[2]]) {
        const response = await ask(worker, `${unsignedToken({ alg, kid: rsa.kid }, validClaims())}.${signature}`);
        expect(await refusal(response), `${alg} ${signature}`).toEqual(refusalFor("wrong_algorithm"));
      }
    }
  });

  test("a session signed with a provider's key; a provider's claims signed with a session key are accepted as a session's", async () => {
    const { worker } = await provider([rsa]);
    expect(await refusal(await ask(worker, rsa.token(claimsOf("ada"), { kid: "k1" })))).toEqual(
      refusalFor("wrong_issuer"),
    );
    const asSession = await ask(worker, hs256(validClaims()));
    expect([asSession.status, log.requests().at(-1)?.["caller"]]).toEqual([200, "session"]);
  });

  test("a key in the token's own header, which is never loaded: jku, jwk, x5u, x5c", async () => {
    const { worker, loads } = await provider([rsa]);
    const thief = signer("RS256", rsa.kid);
    const own = await provider([thief]);
    for (const header of [{ jku: own.jwks_url }, { jwk: thief.jwk }, { x5u: own.jwks_url }, { x5c: ["MIIB"] }]) {
      expect(await refusal(await ask(worker, thief.token(validClaims(), header)))).toEqual(refusalFor("bad_signature"));
      expect((await ask(worker, rsa.token(validClaims(), header))).status).toBe(200);
      expect((await ask(worker, hs256(claimsOf("ada"), undefined, { kid: "k1", ...header }))).status).toBe(200);
    }
    expect([await own.loads(), await loads()]).toEqual([0, 1]);
  });

  test("a critical header: crit", async () => {
    const { worker } = await provider([rsa]);
    for (const crit of [["exp"], ["b64"], [], "b64"]) {
      for (const token of [
        rsa.token(validClaims(), { crit, b64: true }),
        hs256(claimsOf("ada"), undefined, { kid: "k1", crit, b64: true }),
      ]) {
        expect(await refusal(await ask(worker, token))).toEqual(refusalFor("malformed_token"));
      }
    }
  });

  test("a token with changed claims, with a fourth part, or with a truncated signature", async () => {
    const { worker } = await provider([rsa]);
    for (const token of [rsa.token(validClaims()), hs256(claimsOf("ada"))]) {
      const [head = "", , signature = ""] = token.split(".");
      const claims = unsignedToken({}, { ...validClaims(), sub: "eve" }).split(".")[1];
      expect(await refusal(await ask(worker, `${head}.${claims}.${signature}`))).toEqual(refusalFor("bad_signature"));
      expect((await ask(worker, `${token}.x`)).status).toBe(401);
      expect((await ask(worker, token.slice(0, -5))).status).toBe(401);
    }
  });

  test("three parts that are not a token", async () => {
    const { worker } = await provider([rsa]);
    const { createHash } = await import("node:crypto");
    const noise = createHash("sha256").update("x").digest("base64url");
    const list = `${Buffer.from("[]").toString("base64url")}`;
    for (const text of [
      "a.b.c",
      `${noise}.${noise}.${noise}`,
      `${list}.${list}.x`,
      `${unsignedToken({ alg: 5 }, validClaims())}.x`,
      `${unsignedToken({ alg: "RS256", kid: 5 }, validClaims())}.x`,
    ]) {
      expect(await refusal(await ask(worker, text))).toEqual(refusalFor("malformed_token"));
    }
    expect((await ask(worker, rsa.token(validClaims({ long: "x".repeat(20_000) })))).status).toBe(401);
  });

  test("a token signed with a shared secret or a weak key from the key set", async () => {
    const name = crypto.randomUUID();
    const oct = { kty: "oct", kid: "o", k: Buffer.from("0123456789abcdef0123456789abcdef").toString("base64url") };
    const { jwks_url, worker } = await provider([]);
    await fetch(jwks_url, {
      method: "PUT",
      body: JSON.stringify({ keys: [oct, { kty: "RSA", kid: "broken", n: "AQAB", e: "AQAB" }] }),
    });
    const text = unsignedToken({ alg: "HS256", kid: "o" }, validClaims({ jti: name }));
    const forged = `${text}.${createHmac("sha256", "0123456789abcdef0123456789abcdef").update(text).digest("base64url")}`;
    expect((await ask(worker, forged)).status).toBe(401);
    expect((await ask(worker, signer("RS256", "broken").token(validClaims()))).status).toBe(401);
  });
});

describe("the provider's keys", () => {
  test("are loaded once, however many unknown key ids come, in parallel or in sequence", async () => {
    const { worker, loads } = await provider([rsa]);
    const flood = await Promise.all(Array.from({ length: 30 }, () => ask(worker, tokenOfUnknownKey())));
    expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([401]));
    for (let at = 0; at < 10; at += 1)
      expect(await refusal(await ask(worker, tokenOfUnknownKey()))).toEqual(refusalFor("unknown_kid"));
    expect((await ask(worker, rsa.token(validClaims()))).status).toBe(200);
    expect(await loads()).toBe(1);
  });

  test("are awaited by all requests of a cold start", async () => {
    const { worker, loads } = await provider([rsa]);
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(worker, rsa.token(validClaims()))));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(await loads()).toBe(1);
  });

  test.each([500, 302, 404])("cause a 503 if they can't be loaded (%s)", async (status) => {
    const { worker, publish } = await provider([rsa]);
    await publish([rsa], status);
    const response = await ask(worker, rsa.token(validClaims()));
    expect(response.headers.get("retry-after")).toBe("30");
    expect([response.status, (await problemOf(response)).code]).toEqual([503, "unavailable"]);
  });

  test("may be selected by algorithm if the token has no key id", async () => {
    const { worker } = await provider([rsa, ec]);
    expect((await ask(worker, ec.token(validClaims(), { kid: undefined }))).status).toBe(200);
    const { worker: two } = await provider([ec, signer("ES256")]);
    expect((await ask(two, ec.token(validClaims(), { kid: undefined }))).status).toBe(401);
  });
});

/** A token with an unknown key id. */
function tokenOfUnknownKey(): string {
  return `${unsignedToken({ alg: "RS256", kid: crypto.randomUUID() }, validClaims())}.AAAA`;
}
