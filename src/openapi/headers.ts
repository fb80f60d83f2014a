// The response headers that operations refer to.
import type { JsonObject } from "../core/lib/json.ts";

const TEXT = { type: "string" };

/** `components.headers`. */
export const HEADERS: JsonObject = {
  "x-request-id": { description: "On every response. Quote it when you ask for help.", schema: TEXT },
  "cache-status": {
    description:
      "RFC 9211: `hit`, `fwd=miss`, `fwd=request` or `fwd=bypass`. Absent if the headers of a stream were sent before this was known. A repeat with an " +
      "`Idempotency-Key` repeats the status of its call. The `ttl` of a hit is the remaining time; it is negative for a stale answer.",
    schema: TEXT,
  },
  age: { description: "For a hit: seconds since the answer was created.", schema: { type: "integer" } },
  "x-continuity": {
    description: "For a follow-up that went to UniAPI: how it reached its history.",
    schema: { type: "string", enum: ["upstream", "replayed", "gateway"] },
  },
  "x-response-id": {
    description: "With `Accept: text/plain`: the id of the answer, to continue the conversation.",
    schema: TEXT,
  },
  "x-response-status": { description: "With `Accept: text/plain`, but not for a stream.", schema: TEXT },
  etag: { description: "Identifies the content of the file: send it as `If-None-Match`.", schema: TEXT },
  "cache-control": { description: "How long the file may be cached.", schema: TEXT },
  location: { description: "The URL of the job.", schema: TEXT },
  allow: { description: "The methods of this path.", schema: TEXT },
  "www-authenticate": { description: "`Bearer`. Not on webhooks.", schema: TEXT },
  "retry-after": { description: "Seconds until another try makes sense.", schema: { type: "integer" } },
  "x-should-retry": { description: "`false` if another try can't help or may be paid for twice.", schema: TEXT },
};

/** Creates references to these headers, and to `x-request-id`, which every response has. */
export function headersOf(names: readonly string[]): JsonObject {
  return Object.fromEntries(["x-request-id", ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
