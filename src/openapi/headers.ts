// Headers of answers and of requests that several operations have, once.
import type { JsonObject } from "../core/lib/json.ts";

const TEXT = { type: "string" };

/** `components.headers`. */
export const HEADERS: JsonObject = {
  "x-request-id": { description: "On every answer. Quote it when you ask for help.", schema: TEXT },
  "cache-status": {
    description:
      "RFC 9211: `hit`, `fwd=miss`, `fwd=request` or `fwd=bypass`. Absent where a stream began before this was known. A repeat under one " +
      "`Idempotency-Key` says how its one call went; the `ttl` of a hit is what is left by now, and below 0 once it is stale.",
    schema: TEXT,
  },
  age: { description: "Of a hit: seconds since it was answered, as of now.", schema: { type: "integer" } },
  "x-continuity": {
    description: "Of a follow-up that went to UniAPI: how the conversation got there.",
    schema: { type: "string", enum: ["upstream", "replayed", "gateway"] },
  },
  "x-response-id": { description: "With `Accept: text/plain`: the answer's id, to continue.", schema: TEXT },
  "x-response-status": { description: "With `Accept: text/plain`, but not of a stream.", schema: TEXT },
  etag: { description: "Names what the file holds: send it as `If-None-Match`.", schema: TEXT },
  "cache-control": { description: "How long the file may be kept without asking again.", schema: TEXT },
  location: { description: "Where the job can be read.", schema: TEXT },
  allow: { description: "The methods that the address has.", schema: TEXT },
  "www-authenticate": { description: "`Bearer`. Not on webhooks.", schema: TEXT },
  "retry-after": { description: "Seconds until another try makes sense.", schema: { type: "integer" } },
  "x-should-retry": { description: "`false` where another try is hopeless or might be paid twice.", schema: TEXT },
};

/** By name, with the one that every answer has. */
export function headersOf(names: readonly string[]): JsonObject {
  return Object.fromEntries(["x-request-id", ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
