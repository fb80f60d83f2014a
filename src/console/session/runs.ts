// The runs that a reload must restore, as plain data: the one that the page follows, and those that wait. The chat decides when a run
// starts or ends.
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
 * A question that has received no event yet. Until the first event names the recording, only the same question with the same key finds
 * the answer. If a reload lost the question, it would also lose the answer, although the call may already be paid.
 *
 * No question is stored elsewhere, or after its first event, since the ids are then enough. Only this Worker's pages in this tab can read
 * sessionStorage, which ends with the tab and is cleared on sign-out.
 */
export interface PendingQuestion {
  input: Input;
  /** Sent beside `input` and `previous_response_id`. */
  fields: Record<string, unknown>;
  /** Unix milliseconds. The Worker stores the key for a day after that. */
  sentAt: number;
  /** Whether the user stopped the question. */
  stopped: boolean;
}

export interface PendingRuns {
  /** The run that the page follows, or followed last. A reload resumes it if it need not ask the user first (abandoned.ts). */
  run: PendingRun | null;
  /** Runs that were stopped or interrupted, oldest first. A reload shows them, and resumes them on request. */
  waiting: PendingRun[];
}

const MAX_WAITING = 20;

export function allRuns({ run, waiting }: PendingRuns): PendingRun[] {
  return run === null ? waiting : [...waiting, run];
}

/** @returns the runs with `run` added or updated as the one that the page follows */
export function withRun(runs: PendingRuns, run: PendingRun): PendingRuns {
  const others = allRuns(runs).filter(({ key }) => key !== run.key);
  return { run, waiting: others.slice(-MAX_WAITING) };
}

/** @returns the runs without the one that has ended */
export function withoutRun({ run, waiting }: PendingRuns, endedKey: string): PendingRuns {
  return { run: run?.key === endedKey ? null : run, waiting: waiting.filter(({ key }) => key !== endedKey) };
}
