// Session tokens, each for one end user. The deployer's backend signs them (HS256) with any JWT library, or gets them from POST /sessions.
// The owner depends on `sub` alone, not on `kid` or `iss`, so that nobody loses conversations when keys rotate.
import type { CallerBudget } from "../core/callers/budget.ts";
import { sessionScopeOf, subjectOf } from "../core/callers/claims.ts";
import { keyDigest, type Refusal, type Token } from "../core/callers/credential.ts";
import { base64url } from "../core/lib/bytes.ts";
import type { JsonObject } from "../core/lib/json.ts";
import type { Caller, Deps } from "../deps.ts";
import { verifyClaims } from "./token.ts";
import { ownerOf } from "../core/callers/owner.ts";
import type { SessionKey } from "../core/config/vars.ts";

export const SESSION_ALGORITHM = "HS256";
/** How long a session can be renewed after its end, in seconds. The page then gets a new session of the same user. */
const RENEWABLE_S = 30 * 86_400;

export async function authenticateSession(deps: Deps, token: Token, origin: string | null): Promise<Caller | Refusal> {
  const { sessions } = deps.config.callers;
  if (sessions === undefined) return { refused: "no_sessions" };
  const verified = await verifySession(deps.sessionKeys, token);
  if ("refused" in verified) return verified;
  const subject = subjectOf(verified.claims, deps.now());
  if ("refused" in subject) return subject;
  const scope = sessionScopeOf(verified.claims, sessions);
  if ("refused" in scope) return scope;
  if (scope.origin !== undefined && origin !== null && origin !== scope.origin) return { refused: "wrong_origin" };
  const owner = await ownerOf(deps.idKeys, `session:${subject.sub}`);
  const user: CallerBudget = {
    name: `owner:${owner}`,
    whose: "user",
    limits: narrowLimits(sessions.per_user, scope.tokensPerDay),
  };
  if (scope.requests !== undefined) {
    // The digest excludes the signature, because the same claims under two signatures must count as one token.
    const id = await keyDigest(token.text.slice(0, token.text.lastIndexOf(".")));
    user.token = { id, requests: scope.requests, expires: subject.exp };
  }
  return {
    kind: "session",
    owner,
    grant: {
      presets: scope.presets,
      ...(scope.maxOutputTokens === undefined ? {} : { maxOutputTokens: scope.maxOutputTokens }),
    },
    budgets: [user, { name: "total:sessions", whose: "total", limits: sessions.total }],
  };
}

function narrowLimits(limits: CallerBudget["limits"], tokensPerDay: number | undefined): CallerBudget["limits"] {
  if (tokensPerDay === undefined) return limits;
  return { ...limits, tokens_per_day: Math.min(tokensPerDay, limits.tokens_per_day ?? Infinity) };
}

/** Verifies a session that began with Turnstile, and returns its `sub` if a page of this origin may renew it. */
export async function verifyRenewable(deps: Deps, token: Token, origin: string): Promise<{ sub: string } | Refusal> {
  const verified = await verifySession(deps.sessionKeys, token);
  if ("refused" in verified) return verified;
  const subject = subjectOf(verified.claims, deps.now(), RENEWABLE_S);
  if ("refused" in subject) return subject;
  const { via, origin: bound } = verified.claims;
  return via === "turnstile" && bound === origin ? { sub: subject.sub } : { refused: "not_renewable" };
}

async function verifySession(keys: readonly SessionKey[], token: Token): Promise<{ claims: JsonObject } | Refusal> {
  const [first] = keys;
  if (first === undefined) return { refused: "no_sessions" };
  const match = token.kid === undefined && keys.length === 1 ? first : keys.find(({ kid }) => kid === token.kid);
  // The signature is verified even if the kid is unknown, so that the response takes as long as with a known one.
  const verified = await verifyClaims(token, (match ?? first).secret, [SESSION_ALGORITHM]);
  return match === undefined ? { refused: "unknown_kid" } : verified;
}

/** Signs a session token. @param claims `sub`, `exp` and the claims that narrow the grant */
export async function signSession({ kid, secret }: SessionKey, claims: JsonObject): Promise<string> {
  const encoder = new TextEncoder();
  const part = (value: JsonObject): string => base64url(encoder.encode(JSON.stringify(value)));
  const text = `${part({ alg: SESSION_ALGORITHM, typ: "JWT", kid })}.${part(claims)}`;
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return `${text}.${base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))))}`;
}
