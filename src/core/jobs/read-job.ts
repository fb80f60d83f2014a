// The body of POST /jobs: that of POST /ask, and whom to tell.
import type { Config } from "../config/define-config.ts";
import { isRecord, parseJson, assertSafe } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { parseAsk } from "../request/read-ask.ts";
import type { Ask } from "../../contract/ask.ts";

/** @throws Problem 400 */
export function readJob(text: string, config: Pick<Config, "callbacks">): { ask: Ask; callback: string | null } {
  const value = parseJson(text);
  if (value === undefined)
    throw new Problem("invalid_json", "The body is not valid JSON. Check quotes, commas and brackets.");
  if (!isRecord(value))
    throw new Problem("invalid_request", 'The body must be a JSON object with `input`, for example {"input":"hi"}.');
  assertSafe(value);
  const { callback = null, ...fields } = value;
  if (callback !== null && (typeof callback !== "string" || !Object.hasOwn(config.callbacks, callback))) {
    throw new Problem(
      "invalid_request",
      "`callback` must be the name of one of `callbacks` in src/config.ts. Without it, read the job by its id.",
      {
        param: "callback",
      },
    );
  }
  const ask = parseAsk(fields);
  if (ask.stream === true) {
    throw new Problem(
      "invalid_request",
      "A job has no stream: leave `stream` out, and read the job by its id or have it sent to a callback.",
      {
        param: "stream",
      },
    );
  }
  return { ask, callback };
}
