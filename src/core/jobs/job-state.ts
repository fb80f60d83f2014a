// How far a job is, and what is due: the pure part of its record. Whoever acts on a job is named by the instance that it runs in; one
// that is not the current one any more is not heard. Times in milliseconds.
import type { Delivery, FailedTry, JobStatus } from "./job.ts";

const MINUTE_MS = 60_000;
/** An instance that should have been started by now was not. */
const START_MS = MINUTE_MS;
/** Beyond every deadline of a try: whoever asked is dead. */
const STUCK_MS = 65 * MINUTE_MS;
/** A pause that is over for so long: the engine that kept it is dead. */
const OVERDUE_MS = 15 * MINUTE_MS;
/** After the last word. */
const KEPT_MS = 30 * 86_400_000;

export interface JobState {
  job: string;
  status: JobStatus;
  /** A redelivered event of a failed job begins the next; 1 is the first. */
  run: number;
  /** Who accepted it: the same caller may say it twice where the first answer was lost. */
  nonce: string;
  /** The sender waits: nobody is started. */
  sync: boolean;
  /** The instance that may ask. */
  instance: string;
  /** It exists. */
  started: boolean;
  /** The execution whose call is under way, or was when its engine died. */
  asking: string | null;
  tries: FailedTry[];
  /** When the next try is due. */
  nextAt: number | null;
  /** The instance that may deliver. */
  deliverer: string;
  /** Attempts of this delivery. */
  deliveryAttempts: number;
  delivery: Delivery | null;
  createdAt: number;
  updatedAt: number;
  /** When the run ended. */
  endedAt: number | null;
}

export function isOpen({ status }: JobState): boolean {
  return status === "queued" || status === "running";
}

/** What a look at the record finds to do. */
export type Due =
  /** The instance was never started. */
  | "start"
  /** Its engine died between two tries: nothing was being asked, so another may go on. */
  | "restart"
  /** Whoever was asking is dead, and the call may have been paid. */
  | "lost"
  /** The engine that kept the pauses of a delivery is dead. */
  | "redeliver"
  | "remove";

/** When to look next, and what for. */
export function nextDue(state: JobState): { at: number; due: Due } {
  if (isOpen(state)) {
    if (!state.started) return { at: state.updatedAt + START_MS, due: "start" };
    if (state.asking !== null || state.sync) return { at: state.updatedAt + STUCK_MS, due: "lost" };
    return { at: Math.max(state.updatedAt, state.nextAt ?? 0) + OVERDUE_MS, due: "restart" };
  }
  if (state.delivery?.status === "pending") {
    return { at: Math.max(state.updatedAt, (state.delivery.next_at ?? 0) * 1_000) + OVERDUE_MS, due: "redeliver" };
  }
  return { at: state.updatedAt + KEPT_MS, due: "remove" };
}

/** The `webhook-id` of what is told of this run: the same on every attempt, and another one for the outcome of another run. */
export function eventId({ job, run }: Pick<JobState, "job" | "run">): string {
  return run === 1 ? job : `${job}-${run}`;
}
