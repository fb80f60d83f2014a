// Generated from src/client by `npm run build:client`: edit there.
/**
 * Returns how many milliseconds to wait before the next try: the time in `Retry-After`; without one, 0 after the first broken connection,
 * and a growing pause after any other failure.
 * @param tries how many tries have failed
 * @param begun truthy if an event has arrived, which makes more retries worthwhile
 * @throws the error if another try can't help, may be billed twice, or exceeds the maximum number of retries or the maximum pause
 */
export declare function pauseAfter(error: unknown, tries: number, begun: unknown): number;
/** Rejects when the signal aborts. The signal has the reason; the value of the rejection has no meaning. */
export declare function aborted(signal: AbortSignal): Promise<never>;
/** Resolves after `ms` milliseconds, or as soon as the signal aborts. */
export declare function sleep(ms: number, signal: AbortSignal): Promise<void>;
