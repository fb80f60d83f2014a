// Claims of a token whose signature is good: when it is valid and whose it is, and what a session token's own claims leave of the
// config's grant. They only narrow it; one that is not understood refuses the token, since what it meant to forbid is unknown.
import type { Sessions } from "../config/config-schema.ts";
import type { Refusal } from "./credential.ts";
import type { JsonObject } from "../lib/json.ts";

/** How far the clock of whoever signs may be ahead. What is over is over: `exp` has no leeway. */
const CLOCK_SKEW_S = 60;
const MAX_SUB_CHARS = 255;

export interface Subject {
  sub: string;
  /** Unix seconds. */
  exp: number;
}

/** @param graceS for how long an expired token still counts */
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

/** Text with half a surrogate pair would be one owner with all other such text. */
function isSubject(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_SUB_CHARS && value.isWellFormed();
}

/** JSON has numbers that are Infinity here. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** What a session token allows, all of it within the config. */
export interface SessionScope {
  presets: string[];
  /** Where it may be sent from. */
  origin?: string;
  maxOutputTokens?: number;
  requests?: number;
  tokensPerDay?: number;
}

export function sessionScope(claims: JsonObject, sessions: Sessions): SessionScope | Refusal {
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
