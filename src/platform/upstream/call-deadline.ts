// The deadlines of one upstream call: time to the first byte, silence between bytes, and total time. It also ends when the caller
// disconnects. One timer runs at a time and bytes only update a timestamp: a stream of 10,000 chunks sets no more timers than one of ten.
import { Problem } from "../../core/lib/problem.ts";

/** Milliseconds. */
export interface UpstreamDeadlines {
  upstream_first_byte: number;
  upstream_idle: number;
  upstream_total: number;
}

export class CallDeadline {
  /** For fetch. The caller's own signal is aborted only if the caller disconnects. */
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
  /** Why the call was stopped. */
  #reason: Problem | undefined;
  #reject: ((reason: Problem) => void) | undefined;
  #onStop: (() => void) | undefined;

  /**
   * Starts the deadlines.
   * @param caller the signal of the request that waits; undefined if none does
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

  /** For fetch. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The promise's result, unless the call is stopped first. @throws Problem why it was stopped */
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

  /** Calls `stop` when the call is stopped, to end a pending read. For a stream's thousands of reads this is cheaper than `until`. */
  onStop(stop: () => void): void {
    this.#onStop = stop;
    if (this.#reason !== undefined) stop();
  }

  /** A stopped call ends its stream, which must not look like the end of an answer. @throws Problem if the call was stopped */
  assertRunning(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Ends the deadline for the first byte. */
  recordFirstByte(): void {
    this.#hasFirstByte = true;
    this.recordByte();
    this.#check();
  }

  /** Shortens the total deadline to `ms` milliseconds from now. */
  limit(ms: number): void {
    this.#deadlines = {
      ...this.#deadlines,
      upstream_total: Math.min(this.#deadlines.upstream_total, this.#now() - this.#startedAt + ms),
    };
    this.#check();
  }

  /** Starts the idle deadline again. */
  recordByte(): void {
    this.#lastByteAt = this.#now();
  }

  /** The call has ended: no deadline applies any more. */
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
   * The problem for a failed read or fetch: a Problem as it is, else the reason why the call was stopped, else a broken connection.
   * @param isEncoded the answer has a Content-Encoding, which may be what failed
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

  /** Sets the timer for the idle or the total deadline, the earlier one. A timer that fires before that stays: it checks again. */
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

/** Only the log sees this problem. */
function disconnected(): Problem {
  return new Problem("upstream_error", "The caller disconnected before the answer arrived.", {
    paid: "maybe",
    reason: "client_left",
  });
}
