// Addresses of OpenAI's and Anthropic's APIs that this Worker does not serve. Developers try them first, so the 404 of each says what to
// use instead. They are not routes, so a request that has a route never gets here.
import type { Context } from "hono";
import type { AppEnv } from "../app-env.ts";
import { Problem, routeNotFound } from "../core/lib/problem.ts";
import { errorResponse } from "./respond/response.ts";

const NO_FILES =
  "This Worker stores no files. Send a file in the request itself, as `file_data` or `file_url` of an `input_file` part.";
const ANSWERS_ONLY =
  "This Worker serves answers only, by POST /v1/responses and POST /ask. Call UniAPI itself for this.";

/** What to use instead, by the beginning of the path after /v1. */
const INSTEAD: Readonly<Record<string, string>> = {
  "/chat/completions":
    "This Worker does not support Chat Completions. Use POST /v1/responses (in the OpenAI SDK: client.responses.create), or POST /ask.",
  "/completions":
    "This Worker does not support Completions. Send the prompt as `input` to POST /v1/responses or POST /ask.",
  "/messages": "This Worker does not support Anthropic's Messages API. Use POST /v1/responses, or POST /ask.",
  "/conversations":
    "This Worker has no conversations with ids of their own. Continue an answer: send its id as `previous_response_id` to POST /v1/responses.",
  "/assistants":
    "This Worker has no assistants. Define a preset in its config, and name it as the `model` of POST /v1/responses.",
  "/threads":
    "This Worker has no threads. Continue an answer: send its id as `previous_response_id` to POST /v1/responses.",
  "/prompts":
    "This Worker has no stored prompts. Define a preset in its config, and name it as the `model` of POST /v1/responses.",
  "/batches": "This Worker has no batches. Send each question to POST /jobs, which answers in the background.",
  "/files": NO_FILES,
  "/uploads": NO_FILES,
  "/vector_stores": NO_FILES,
  "/embeddings": ANSWERS_ONLY,
  "/moderations": ANSWERS_ONLY,
  "/images": ANSWERS_ONLY,
  "/audio": ANSWERS_ONLY,
  "/videos": ANSWERS_ONLY,
  "/realtime": ANSWERS_ONLY,
};

/** Responds to a path that has no route. The log line names an address of the table, but never the path itself. */
export function respondUnserved(c: Context<AppEnv>): Response {
  const path = c.req.path.replace(/^\/v1(?=\/)/, "");
  const address = Object.keys(INSTEAD).find((start) => path === start || path.startsWith(`${start}/`));
  if (address === undefined) return errorResponse(c, routeNotFound());
  c.get("logFields").route = `${c.req.method} /v1${address}`;
  return errorResponse(c, new Problem("not_found", INSTEAD[address] ?? ""));
}
