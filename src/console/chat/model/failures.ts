// What a failure proves. In doubt nothing: hearing an answer by its key, or reading an id again, is free, and what is given up for a failure
// of the moment was paid. Knows nothing of where it happened.
import type { Failure } from "../../lib/call.ts";

/** How long KV may take to show a turn elsewhere. */
export const YOUNG_MS = 120_000;

/** The Worker speaks of the request itself, or of who sends it: the same one has no other end. */
const REFUSED: ReadonlySet<number> = new Set([400, 403, 413, 415]);
/** Within a stream these say that the recording can't be told just now; all others are its end. */
const UNTOLD: ReadonlySet<string> = new Set(["unavailable", "internal_error"]);

/** Whether nothing more is to be heard of an answer: another try is then a new call, and there is nothing to lose by it. */
export function isOver({ code, status, retryable }: Pick<Failure, "code" | "status" | "retryable">): boolean {
  // No answer of the Worker's.
  if (code === "unexpected_response") return false;
  if (code === "stream_lost" || code === "idempotency_key_reused" || REFUSED.has(status)) return true;
  if (status === 200) return !UNTOLD.has(code);
  // What UniAPI said last, and is not to be asked again: that was kept, or never paid.
  return code.startsWith("upstream_") && !retryable;
}

/** Whether an answer can never be read again. */
export function isGone({ code }: Pick<Failure, "code">, ageMs: number): boolean {
  return code === "response_not_found" && ageMs > YOUNG_MS;
}
