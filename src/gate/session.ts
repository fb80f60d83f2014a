// Session tokens: one end user of the deployer's own, signed (HS256) by his backend with any JWT library, or by POST /sessions. The
// owner is `sub` alone, never kid or iss, so that keys rotate without losing anybody's conversations.
import type { CallerBudget } from "../core/callers/budget.ts";
import { sessionScope, subjectOf } from "../core/callers/claims.ts";
import { keyDigest, type Refusal, type Token } from "../core/callers/credential.ts";
import { base64url } from "../core/lib/encoding.ts";
import { ownerOf } from "../core/callers/ids.ts";
import type { JsonObject } from "../core/lib/json.ts";
import type { SessionKey } from "../core/config/session-keys.ts";
import type { Caller, Deps } from "../deps.ts";
import { provenClaims } from "./token.ts";

export const SESSION_ALGORITHM = "HS256";
/** For how long after its end a page may trade a session in for a new one of the same user. */
const RENEWABLE_S = 30 * 86_400;

export async function session(deps: Deps, token: Token, origin: string | null): Promise<Caller | Refusal> {
  const { sessions } = deps.config.callers;
  if (sessions === undefined) return { refused: "no_sessions" };
  const proven = await proof(deps.sessionKeys, token);
  if ("refused" in proven) return proven;
  const subject = subjectOf(proven.claims, deps.now());
  if ("refused" in subject) return subject;
  const scope = sessionScope(proven.claims, sessions);
  if ("refused" in scope) return scope;
  if (scope.origin !== undefined && origin !== null && origin !== scope.origin) return { refused: "wrong_origin" };
  const owner = await ownerOf(deps.idKeys, `session:${subject.sub}`);
  const user: CallerBudget = {
    name: `owner:${owner}`,
    whose: "user",
    limits: narrower(sessions.per_user, scope.tokensPerDay),
  };
  if (scope.requests !== undefined) {
    // Without the signature: it is what is signed that is counted.
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

function narrower(limits: CallerBudget["limits"], tokensPerDay: number | undefined): CallerBudget["limits"] {
  if (tokensPerDay === undefined) return limits;
  return { ...limits, tokens_per_day: Math.min(tokensPerDay, limits.tokens_per_day ?? Infinity) };
}

/** The `sub` of a session that Turnstile began and that may go on, on the page where it began. */
export async function renewableSub(deps: Deps, token: Token, origin: string): Promise<{ sub: string } | Refusal> {
  const proven = await proof(deps.sessionKeys, token);
  if ("refused" in proven) return proven;
  const subject = subjectOf(proven.claims, deps.now(), RENEWABLE_S);
  if ("refused" in subject) return subject;
  const { via, origin: bound } = proven.claims;
  return via === "turnstile" && bound === origin ? { sub: subject.sub } : { refused: "not_renewable" };
}

async function proof(keys: readonly SessionKey[], token: Token): Promise<{ claims: JsonObject } | Refusal> {
  const [first] = keys;
  if (first === undefined) return { refused: "no_sessions" };
  const named = token.kid === undefined && keys.length === 1 ? first : keys.find(({ kid }) => kid === token.kid);
  // An unknown kid costs the same work as a known one.
  const proven = await provenClaims(token, (named ?? first).secret, [SESSION_ALGORITHM]);
  return named === undefined ? { refused: "unknown_kid" } : proven;
}

/** @param claims `sub`, `exp` and what narrows them */
export async function signSession({ kid, secret }: SessionKey, claims: JsonObject): Promise<string> {
  const encoder = new TextEncoder();
  const part = (value: JsonObject): string => base64url(encoder.encode(JSON.stringify(value)));
  const text = `${part({ alg: SESSION_ALGORITHM, typ: "JWT", kid })}.${part(claims)}`;
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return `${text}.${base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))))}`;
}
