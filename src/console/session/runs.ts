// The runs that a reload must resume, as plain data: which one is followed, and which wait. The chat decides when a run starts or ends.
import type { Input } from "../../client/client.ts";

export interface PendingRun {
  /** Idempotency-Key. */
  key: string;
  /** Id of the run's first event, after which a reload resumes; "" until an event has arrived. */
  lastEventId: string;
  /** Id of the answer that the question follows. */
  previousId: string | null;
  /** Present until the first event arrives. */
  question?: PendingQuestion;
}

/**
 * A question without any event yet. Until the first event names the recording, only the same question with the same key finds the
 * answer. Without this text a reload would lose both, and the call may already be paid for.
 *
 * The text is stored here only, and only until the first event; after that the ids are enough. sessionStorage is readable by this
 * Worker's pages in this tab, ends with the tab, and is cleared on sign-out.
 */
export interface PendingQuestion {
  input: Input;
  /** Sent beside `input` and `previous_response_id`. */
  fields: Record<string, unknown>;
  /** Unix milliseconds; the Worker remembers the key for a day after that. */
  sentAt: number;
  /** The user stopped it. */
  stopped: boolean;
}

export interface PendingRuns {
  /** The run that is followed, or was followed last. A reload resumes it. */
  run: PendingRun | null;
  /** Runs that were stopped or interrupted, oldest first. A reload shows them, and resumes them on request. */
  waiting: PendingRun[];
}

const MAX_WAITING = 20;

export function allRuns({ run, waiting }: PendingRuns): PendingRun[] {
  return run === null ? waiting : [...waiting, run];
}

/** @returns the runs with this one added or updated; it is the one that is followed */
export function withRun(runs: PendingRuns, run: PendingRun): PendingRuns {
  const others = allRuns(runs).filter(({ key }) => key !== run.key);
  return { run, waiting: others.slice(-MAX_WAITING) };
}

/** @returns the runs without the one that has ended */
export function withoutRun({ run, waiting }: PendingRuns, endedKey: string): PendingRuns {
  return { run: run?.key === endedKey ? null : run, waiting: waiting.filter(({ key }) => key !== endedKey) };
}
