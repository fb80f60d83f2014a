// Generated from src/client by `npm run build:client`: edit there.
/**
 * @param tries how many tries have failed
 * @param begun an event has arrived, so more retries are worthwhile
 * @returns milliseconds until the next try: as `Retry-After` says, 0 after the first broken connection, else a growing pause
 * @throws the error if another try can't help, may be paid for twice, or exceeds the limit
 */
export declare function pauseAfter(error: unknown, tries: number, begun: unknown): number;
/** Rejects when the signal aborts. */
export declare function aborted(signal: AbortSignal): Promise<never>;
/** Resolves early if the signal aborts. */
export declare function sleep(ms: number, signal: AbortSignal): Promise<void>;
