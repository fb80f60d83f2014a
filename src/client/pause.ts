// When and how often a request is retried. The question's Idempotency-Key makes retries safe, because the Worker calls UniAPI once per key.
import type { AskError } from "./error.ts";

/** Maximum number of retries if no event has arrived. */
const MAX_RETRIES = 2;
/** Maximum number of retries since the last event, if an event has arrived. */
const MAX_RETRIES_BEGUN = 6;
const PAUSE_MS = 250;
const MAX_PAUSE_MS = 60_000;

/**
 * Returns how many milliseconds to wait before the next try: the time in `Retry-After`; without one, 0 after the first broken connection,
 * and a growing pause after any other failure.
 * @param tries how many tries have failed
 * @param begun truthy if an event has arrived, which makes more retries worthwhile
 * @throws the error if another try can't help, may be billed twice, or exceeds the maximum number of retries or the maximum pause
 */
export function pauseAfter(error: unknown, tries: number, begun: unknown): number {
  const { retryable, retryAfter, status } = Object(error) as AskError;
  const ms = retryAfter * 1_000 || (status || tries > 1 ? PAUSE_MS << tries : 0);
  if (!retryable || tries > (begun ? MAX_RETRIES_BEGUN : MAX_RETRIES) || ms > MAX_PAUSE_MS) throw error;
  return ms;
}

/** Rejects when the signal aborts. The signal has the reason; the value of the rejection has no meaning. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject();
    signal.addEventListener("abort", reject);
  });
}

/** Resolves after `ms` milliseconds, or as soon as the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    aborted(signal).catch(() => resolve(clearTimeout(timer)));
  });
}
