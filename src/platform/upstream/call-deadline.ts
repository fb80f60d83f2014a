// The clock over one upstream call: time to the first byte, silence between bytes, time in all, and the caller who leaves. One timer
// runs at a time, and bytes only move a mark: a stream of ten thousand chunks sets no more timers than one of ten.
import { Problem } from "../../core/lib/problem.ts";

interface Deadlines {
  upstream_first_byte: number;
  upstream_idle: number;
  upstream_total: number;
}

export class CallDeadline {
  /** The call's own: the caller's signal knows no deadline, and a request that is answered may still have work of its own for seconds. */
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #onLeave = (): void => this.#stop(left());
  #deadlines: Deadlines;
  readonly #now: () => number;
  readonly #startedAt: number;
  #lastByteAt: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires. */
  #dueAt = 0;
  #started = false;
  #stopped: Problem | undefined;
  #reject: ((reason: Problem) => void) | undefined;
  #onStop: (() => void) | undefined;

  constructor(deadlines: Deadlines, caller: AbortSignal | undefined, now: () => number) {
    this.#deadlines = deadlines;
    this.#now = now;
    this.#startedAt = now();
    this.#lastByteAt = this.#startedAt;
    this.#caller = caller;
    if (caller?.aborted === true) this.#stop(left());
    else {
      caller?.addEventListener("abort", this.#onLeave, { once: true });
      this.#arm(Math.min(deadlines.upstream_first_byte, deadlines.upstream_total));
    }
  }

  /** For fetch. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The promise's value, unless the watch stops first. */
  until<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#stopped !== undefined) {
        promise.catch(() => undefined);
        reject(this.#stopped);
        return;
      }
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }

  /** In place of `until`, for reads that end by themselves when this is called: one stream has thousands of them. */
  whenStopped(stop: () => void): void {
    this.#onStop = stop;
    if (this.#stopped !== undefined) stop();
  }

  /** @throws Problem where the watch has stopped: an end that came of it is none */
  assertRunning(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  firstByte(): void {
    this.#started = true;
    this.byte();
    this.#check();
  }

  /** What is still to come is worth this much time in all. */
  limit(ms: number): void {
    this.#deadlines = {
      ...this.#deadlines,
      upstream_total: Math.min(this.#deadlines.upstream_total, this.#now() - this.#startedAt + ms),
    };
    this.#check();
  }

  byte(): void {
    this.#lastByteAt = this.#now();
  }

  /** The call is over; nothing fires any more. */
  end(): void {
    this.#disarm();
    this.#caller?.removeEventListener("abort", this.#onLeave);
  }

  cancel(): void {
    this.end();
    this.#controller.abort();
  }

  /** What a failed read or fetch means: a Problem as it is (it may know more than the clock), the watch's own reason, else a broken connection. */
  explain(error: unknown, encoded = false): Problem {
    if (error instanceof Problem) return error;
    if (this.#stopped !== undefined) return this.#stopped;
    if (encoded) {
      return new Problem(
        "upstream_invalid_response",
        "UniAPI's answer could not be decoded. The call may have been paid.",
        {
          paid: "maybe",
          reason: "wrong encoding",
        },
      );
    }
    return new Problem(
      "upstream_error",
      "The connection to UniAPI broke. The call may have been paid; send it again only if you accept that.",
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

  /** Sets the timer to whatever ends first, the silence or the whole; one that fires before that stays, and looks again. */
  #check(): void {
    const now = this.#now();
    const idle = this.#lastByteAt + this.#deadlines.upstream_idle - now;
    const total = this.#startedAt + this.#deadlines.upstream_total - now;
    if (Math.min(idle, total) <= 0) this.#stop(timeout());
    else if (this.#timer === null || this.#dueAt > now + Math.min(idle, total)) this.#arm(Math.min(idle, total));
  }

  #expire(): void {
    this.#timer = null;
    if (!this.#started) this.#stop(timeout());
    else this.#check();
  }

  #stop(problem: Problem): void {
    this.#stopped ??= problem;
    this.end();
    this.#controller.abort();
    this.#reject?.(this.#stopped);
    this.#onStop?.();
  }
}

function timeout(): Problem {
  return new Problem(
    "upstream_timeout",
    "UniAPI did not answer in time. The call may have been paid; send it again only if you accept that.",
    { paid: "maybe", reason: "deadline" },
  );
}

/** Nobody reads this but the log. */
function left(): Problem {
  return new Problem("upstream_error", "The caller left before the answer came.", {
    paid: "maybe",
    reason: "client_left",
  });
}
