// Reads the body of POST /jobs. It is the body of POST /ask without `stream`, and with the name of the callback that gets the answer.
import type { Ask } from "../../contract/ask.ts";
import type { Config } from "../config/define-config.ts";
import { JSON_LIMITS, parseJsonObject } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { parseAsk } from "../request/read-ask.ts";

/**
 * Reads a request to POST /jobs.
 * @returns `callback` is the name of an entry in the config's `callbacks`, or null
 * @throws Problem 400
 */
export function readJob(text: string, config: Pick<Config, "callbacks">): { ask: Ask; callback: string | null } {
  const hint = ' with `input`, for example {"input":"hi"}';
  const { callback = null, ...fields } = parseJsonObject(text, JSON_LIMITS.server, hint);
  if (callback !== null && (typeof callback !== "string" || !Object.hasOwn(config.callbacks, callback))) {
    throw new Problem(
      "invalid_request",
      "`callback` must be the name of one of `callbacks` in src/config.ts. Without it, read the job by its id.",
      { param: "callback" },
    );
  }
  const ask = parseAsk(fields);
  if (ask.stream === true) {
    throw new Problem(
      "invalid_request",
      "A job can't be streamed. Remove `stream`, and read the job by its id or set `callback`.",
      { param: "stream" },
    );
  }
  return { ask, callback };
}
