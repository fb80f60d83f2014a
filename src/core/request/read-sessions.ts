// Reads the body of POST /sessions: a backend's request for a user's session, or the token of a solved Turnstile widget.
import { SessionRequest, TurnstileExchange } from "../../contract/session.ts";
import { JSON_LIMITS, type JsonObject, parseJsonObject } from "../lib/json.ts";
import { parseFields } from "../lib/parse-fields.ts";
import { Problem } from "../lib/problem.ts";

/** @throws Problem 400 */
export function readSessionFields(text: string): JsonObject {
  return parseJsonObject(text, JSON_LIMITS.restricted, ', like {"sub":"user-1"}');
}

/**
 * @param granted the presets that the config grants to sessions
 * @throws Problem 400
 */
export function readSessionRequest(fields: JsonObject, granted: readonly string[]): SessionRequest {
  const request = parseFields(SessionRequest, fields);
  const { sub, presets = [], origin } = request;
  const index = presets.findIndex((name) => !granted.includes(name));
  if (index !== -1) throw invalidField(`presets[${index}]`, "must be one of callers.sessions.presets in src/config.ts");
  if (!sub.isWellFormed()) throw invalidField("sub", "must be well-formed Unicode");
  if (origin !== undefined && URL.parse(origin)?.origin !== origin) {
    throw invalidField("origin", 'must be an exact origin, like "https://app.example.com"');
  }
  return request;
}

/** @throws Problem 400 */
export function readTurnstileExchange(fields: JsonObject): TurnstileExchange {
  return parseFields(TurnstileExchange, fields);
}

function invalidField(param: string, what: string): Problem {
  return new Problem("invalid_request", `\`${param}\` ${what}.`, { param });
}
