// When and how often a request is retried. The question's Idempotency-Key makes that safe: the Worker calls UniAPI once per key.
import type { AskError } from "./error.ts";

/** Retries of a request without any event, and of a stream since its last event. */
const MAX_RETRIES = 2;
const MAX_RETRIES_BEGUN = 6;
const PAUSE_MS = 250;
const MAX_PAUSE_MS = 60_000;

/**
 * @param tries how many tries have failed
 * @param begun an event has arrived, so more retries are worthwhile
 * @returns milliseconds until the next try: as `Retry-After` says, 0 after the first broken connection, else a growing pause
 * @throws the error if another try can't help, may be paid for twice, or exceeds the limit
 */
export function pauseAfter(error: unknown, tries: number, begun: unknown): number {
  const { retryable, retryAfter, status } = Object(error) as AskError;
  const ms = retryAfter * 1_000 || (status || tries > 1 ? PAUSE_MS << tries : 0);
  if (!retryable || tries > (begun ? MAX_RETRIES_BEGUN : MAX_RETRIES) || ms > MAX_PAUSE_MS) throw error;
  return ms;
}

/** Rejects when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject();
    signal.addEventListener("abort", reject);
  });
}

/** Resolves early if the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    aborted(signal).catch(() => resolve(clearTimeout(timer)));
  });
}
