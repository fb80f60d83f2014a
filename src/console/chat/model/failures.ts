// Decides whether a failure proves that a run has ended or an answer is gone. In case of doubt, the failure proves nothing: resuming a run
// by its key and reading an id again are free, but giving up after a temporary failure would lose a paid answer.
import type { Failure } from "../../lib/call.ts";

/** The time that KV may take to show a new turn everywhere, in milliseconds. */
export const KV_DELAY_MS = 120_000;

/** The Worker rejects the request or its caller, so the same request can't succeed. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 403, 413, 415]);
/** Codes of an `error` event after which the recording can be read later. All others end the run. */
const TEMPORARY_EVENT_CODES: ReadonlySet<string> = new Set(["unavailable", "internal_error"]);

/** Whether the run has ended, in which case there is nothing more to read, and another try would be a new call. */
export function isOver({ code, status, retryable }: Pick<Failure, "code" | "status" | "retryable">): boolean {
  // The response is not from the Worker.
  if (code === "unexpected_response") return false;
  if (code === "stream_lost" || code === "idempotency_key_reused" || FINAL_STATUSES.has(status)) return true;
  if (status === 200) return !TEMPORARY_EVENT_CODES.has(code);
  // UniAPI's final failure: it is recorded or was unpaid, and must not be requested again.
  return code.startsWith("upstream_") && !retryable;
}

/** Whether an answer can never be read again. @param ageMs time since it arrived, in milliseconds */
export function isGone({ code }: Pick<Failure, "code">, ageMs: number): boolean {
  return code === "response_not_found" && ageMs > KV_DELAY_MS;
}
