// Tells what upstream's unpaid refusal is about, so that a call can be repeated without what upstream does not know.
import type { ErrorFields } from "./error-fields.ts";

/** `parent`: the response that the request continues. `items`: items of the input that upstream does not know or can't use. */
export type RefusalSubject = "parent" | "items";

/**
 * Tells what an unpaid refusal is about.
 * @param status the HTTP status; 400 for a refusal inside a body or a stream
 * @returns undefined if it is about anything else
 */
export function refusalOf(status: number, fields: ErrorFields): RefusalSubject | undefined {
  if (
    fields.code === "previous_response_not_found" ||
    /\bprevious_response_id\b/.test(`${fields.param} ${fields.message}`)
  )
    return "parent";
  if (
    fields.code === "invalid_encrypted_content" ||
    /\bitems? with ids? .{0,200} not found|without its required/i.test(fields.message)
  )
    return "items";
  return status === 404 ? "parent" : undefined;
}
