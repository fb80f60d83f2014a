// The body of POST /sessions: what a backend wishes for one of its users, or a solved Turnstile.
import { fieldProblem } from "../lib/field-problem.ts";
import { assertSafe, isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { SessionRequest, TurnstileExchange } from "../../contract/session.ts";

/** @throws Problem 400 */
export function readSessionFields(text: string): JsonObject {
  const value = parseJson(text);
  if (value === undefined)
    throw new Problem("invalid_json", "The body is not valid JSON. Check quotes, commas and brackets.");
  if (!isRecord(value)) throw new Problem("invalid_request", 'The body must be a JSON object, like {"sub":"user-1"}.');
  assertSafe(value);
  return value;
}

/** @param granted the presets that the config grants to sessions. @throws Problem 400 */
export function readSessionRequest(fields: JsonObject, granted: readonly string[]): SessionRequest {
  const parsed = SessionRequest.safeParse(fields);
  if (!parsed.success) throw fieldProblem(parsed.error.issues[0]);
  const { sub, presets = [], origin } = parsed.data;
  const wrong = presets.findIndex((name) => !granted.includes(name));
  if (wrong !== -1) throw wrongField(`presets[${wrong}]`, "must be one of callers.sessions.presets in src/config.ts");
  if (!sub.isWellFormed()) throw wrongField("sub", "must be well-formed Unicode");
  if (origin !== undefined && URL.parse(origin)?.origin !== origin) {
    throw wrongField("origin", 'must be an exact origin, like "https://app.example.com"');
  }
  return parsed.data;
}

/** @throws Problem 400 */
export function readTurnstileExchange(fields: JsonObject): TurnstileExchange {
  const parsed = TurnstileExchange.safeParse(fields);
  if (!parsed.success) throw fieldProblem(parsed.error.issues[0]);
  return parsed.data;
}

function wrongField(param: string, what: string): Problem {
  return new Problem("invalid_request", `\`${param}\` ${what}.`, { param });
}
