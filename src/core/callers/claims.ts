// Reads the claims of a token with a valid signature: its validity period, its subject, and how a session token narrows the config's grant.
// If a narrowing claim is malformed, the token is refused, because it is unknown what the claim was meant to forbid.
import type { Sessions } from "../config/config-schema.ts";
import type { Refusal } from "./credential.ts";
import type { JsonObject } from "../lib/json.ts";

/** How far the signer's clock may be ahead. `exp` has no leeway. */
const CLOCK_SKEW_S = 60;
const MAX_SUB_CHARS = 255;

export interface Subject {
  sub: string;
  /** Unix seconds. */
  exp: number;
}

/** Checks the subject and the validity period. @param graceS seconds for which an expired token is still accepted */
export function subjectOf(claims: JsonObject, nowMs: number, graceS = 0): Subject | Refusal {
  const { sub, exp, nbf, iat } = claims;
  const now = nowMs / 1_000;
  if (sub === undefined || exp === undefined) return { refused: "missing_claim" };
  if (!isSubject(sub) || !isTime(exp)) return { refused: "malformed_claim" };
  for (const since of [nbf, iat]) {
    if (since === undefined) continue;
    if (!isTime(since)) return { refused: "malformed_claim" };
    if (since > now + CLOCK_SKEW_S) return { refused: "not_yet_valid" };
  }
  return exp + graceS <= now ? { refused: "expired" } : { sub, exp };
}

/** Refuses lone surrogates. UTF-8 encodes all of them alike, so different subjects would become one owner. */
function isSubject(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_SUB_CHARS && value.isWellFormed();
}

/** Refuses Infinity, which JSON.parse returns for a large number such as 1e999. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** The scope of a session token, already limited to the config's grant. */
export interface SessionScope {
  presets: string[];
  /** The only origin that may use the token. */
  origin?: string;
  maxOutputTokens?: number;
  requests?: number;
  tokensPerDay?: number;
}

/** Limits the config's grant of session tokens to the token's claims. */
export function sessionScopeOf(claims: JsonObject, sessions: Sessions): SessionScope | Refusal {
  const scope: SessionScope = { presets: sessions.presets };
  const { presets, origin } = claims;
  if (presets !== undefined) {
    if (!Array.isArray(presets) || !presets.every((name) => typeof name === "string"))
      return { refused: "malformed_claim" };
    scope.presets = sessions.presets.filter((name) => presets.includes(name));
    if (scope.presets.length === 0) return { refused: "not_granted" };
  }
  if (origin !== undefined) {
    if (typeof origin !== "string") return { refused: "malformed_claim" };
    scope.origin = origin;
  }
  for (const [claim, field] of [
    ["max_output_tokens", "maxOutputTokens"],
    ["requests", "requests"],
    ["tokens_per_day", "tokensPerDay"],
  ] as const) {
    const value = claims[claim];
    if (value === undefined) continue;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) return { refused: "malformed_claim" };
    scope[field] = value;
  }
  return scope;
}
