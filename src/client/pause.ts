// When something is sent again, and how often. The Idempotency-Key of a question makes that safe: the Worker asks once for each key.
import type { AskError } from "./error.ts";

/** After the first: of what has not begun, and since the last event. */
const TRIES = 2;
const TRIES_BEGUN = 6;
const PAUSE_MS = 250;
const MAX_PAUSE_MS = 60_000;

/**
 * Milliseconds: none where a connection broke for the first time, then longer and longer, or as long as the Worker asks.
 * @param tries that failed so far
 * @param begun something came of it already: it is worth more patience
 * @throws the error where another try is hopeless, might be paid twice, or is one too many
 */
export function pauseAfter(error: unknown, tries: number, begun: unknown): number {
  const { retryable, retryAfter, status } = Object(error) as AskError;
  const ms = retryAfter * 1_000 || (status || tries > 1 ? PAUSE_MS << tries : 0);
  if (!retryable || tries > (begun ? TRIES_BEGUN : TRIES) || ms > MAX_PAUSE_MS) throw error;
  return ms;
}

/** Rejects once the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject();
    signal.addEventListener("abort", reject);
  });
}

/** Less where the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    aborted(signal).catch(() => resolve(clearTimeout(timer)));
  });
}
