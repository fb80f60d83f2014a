// Whether a failure proves that a run has ended or an answer is gone. In doubt it proves nothing: resuming a run by its key and reading an id again are
// free, while giving up because of a temporary failure would lose an answer that was paid for.
import type { Failure } from "../../lib/call.ts";

/** The time that KV may take to show a new turn everywhere, in milliseconds. */
export const KV_DELAY_MS = 120_000;

/** The Worker rejects the request itself, or its sender: the same request can't succeed. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 403, 413, 415]);
/** Codes of an `error` event that mean: the recording can't be read right now. All others end the run. */
const TEMPORARY_EVENT_CODES: ReadonlySet<string> = new Set(["unavailable", "internal_error"]);

/** Whether the run has ended: another try would be a new call, and nothing is lost by it. */
export function isOver({ code, status, retryable }: Pick<Failure, "code" | "status" | "retryable">): boolean {
  // The response is not from the Worker.
  if (code === "unexpected_response") return false;
  if (code === "stream_lost" || code === "idempotency_key_reused" || FINAL_STATUSES.has(status)) return true;
  if (status === 200) return !TEMPORARY_EVENT_CODES.has(code);
  // UniAPI's final response, which must not be requested again: it is recorded, or was never paid for.
  return code.startsWith("upstream_") && !retryable;
}

/** Whether an answer can never be read again. @param ageMs time since it arrived, in milliseconds */
export function isGone({ code }: Pick<Failure, "code">, ageMs: number): boolean {
  return code === "response_not_found" && ageMs > KV_DELAY_MS;
}
