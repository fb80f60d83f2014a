// The deadlines of one upstream call: time to the first byte, silence between bytes, and total time. The call also ends if the caller
// disconnects. Only one timer runs at a time, and a new byte only updates a timestamp, so a stream of 10,000 chunks sets no more timers
// than a stream of ten.
import { Problem } from "../../core/lib/problem.ts";

/** In milliseconds. */
export interface UpstreamDeadlines {
  upstream_first_byte: number;
  upstream_idle: number;
  upstream_total: number;
}

export class CallDeadline {
  /** Aborts the fetch. The caller's signal isn't passed to fetch, since it fires only if the caller disconnects. */
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #onDisconnect = (): void => this.#stop(disconnected());
  #deadlines: UpstreamDeadlines;
  readonly #now: () => number;
  readonly #startedAt: number;
  #lastByteAt: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires, in milliseconds since 1970. */
  #dueAt = 0;
  #hasFirstByte = false;
  /** Why the call was stopped; undefined if it was not. */
  #reason: Problem | undefined;
  #reject: ((reason: Problem) => void) | undefined;
  #onStop: (() => void) | undefined;

  /**
   * Starts the deadlines, or stops the call immediately if the caller has already disconnected.
   * @param caller the signal of the request that waits for the answer; undefined if no request waits
   * @param now milliseconds since 1970
   */
  constructor(deadlines: UpstreamDeadlines, caller: AbortSignal | undefined, now: () => number) {
    this.#deadlines = deadlines;
    this.#now = now;
    this.#startedAt = now();
    this.#lastByteAt = this.#startedAt;
    this.#caller = caller;
    if (caller?.aborted === true) this.#stop(disconnected());
    else {
      caller?.addEventListener("abort", this.#onDisconnect, { once: true });
      this.#arm(Math.min(deadlines.upstream_first_byte, deadlines.upstream_total));
    }
  }

  /** The signal to pass to fetch. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Waits for the promise, unless the call is stopped first.
   * @throws Problem why the call was stopped; or else the error of the promise
   */
  until<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#reason !== undefined) {
        promise.catch(() => undefined);
        reject(this.#reason);
        return;
      }
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }

  /**
   * Calls `stop` when the call is stopped, to end a pending read; immediately, if the call is already stopped. For the thousands of reads
   * of a stream, this is cheaper than `until`.
   */
  onStop(stop: () => void): void {
    this.#onStop = stop;
    if (this.#reason !== undefined) stop();
  }

  /**
   * Call this after each read, because the stream of a stopped call ends as if the answer were complete.
   * @throws Problem if the call was stopped
   */
  assertRunning(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Ends the deadline for the first byte, and starts the idle deadline. */
  recordFirstByte(): void {
    this.#hasFirstByte = true;
    this.recordByte();
    this.#check();
  }

  /** Shortens the total deadline to `ms` milliseconds from now, unless it is sooner already. */
  limit(ms: number): void {
    this.#deadlines = {
      ...this.#deadlines,
      upstream_total: Math.min(this.#deadlines.upstream_total, this.#now() - this.#startedAt + ms),
    };
    this.#check();
  }

  /** Restarts the idle deadline. */
  recordByte(): void {
    this.#lastByteAt = this.#now();
  }

  /** Ends all deadlines. Call this when the call has ended. */
  end(): void {
    this.#disarm();
    this.#caller?.removeEventListener("abort", this.#onDisconnect);
  }

  /** Ends the call and aborts its fetch. */
  cancel(): void {
    this.end();
    this.#controller.abort();
  }

  /**
   * Converts the error of a failed read or fetch to a Problem. A Problem is returned unchanged. If the call was stopped, returns the
   * reason. Any other error means that the decoding failed if the response is encoded, or else that the connection broke.
   * @param isEncoded whether the response has a Content-Encoding
   */
  explain(error: unknown, isEncoded = false): Problem {
    if (error instanceof Problem) return error;
    if (this.#reason !== undefined) return this.#reason;
    if (isEncoded) {
      return new Problem(
        "upstream_invalid_response",
        "UniAPI's answer could not be decoded. The call may have been billed.",
        { paid: "maybe", reason: "wrong encoding" },
      );
    }
    return new Problem(
      "upstream_error",
      "The connection to UniAPI broke. The call may have been billed; send it again only if you accept that.",
      { paid: "maybe", reason: "connection broke" },
    );
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #arm(ms: number): void {
    this.#disarm();
    this.#dueAt = this.#now() + ms;
    this.#timer = setTimeout(() => this.#expire(), ms);
  }

  /**
   * Stops the call if the idle or the total deadline has passed. Otherwise makes sure that a timer fires by the earlier of the two. A timer
   * that fires sooner is retained, since it then checks again.
   */
  #check(): void {
    const now = this.#now();
    const idle = this.#lastByteAt + this.#deadlines.upstream_idle - now;
    const total = this.#startedAt + this.#deadlines.upstream_total - now;
    if (Math.min(idle, total) <= 0) this.#stop(timeout());
    else if (this.#timer === null || this.#dueAt > now + Math.min(idle, total)) this.#arm(Math.min(idle, total));
  }

  #expire(): void {
    this.#timer = null;
    if (!this.#hasFirstByte) this.#stop(timeout());
    else this.#check();
  }

  #stop(problem: Problem): void {
    this.#reason ??= problem;
    this.end();
    this.#controller.abort();
    this.#reject?.(this.#reason);
    this.#onStop?.();
  }
}

function timeout(): Problem {
  return new Problem(
    "upstream_timeout",
    "UniAPI did not answer in time. The call may have been billed; send it again only if you accept that.",
    { paid: "maybe", reason: "deadline" },
  );
}

/** A problem that only the log shows. */
function disconnected(): Problem {
  return new Problem("upstream_error", "The caller disconnected before the answer arrived.", {
    paid: "maybe",
    reason: "client_left",
  });
}
