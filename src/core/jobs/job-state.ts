// The state of a job and what is due for it: the pure part of its record. An instance (of the Workflow, or a request whose sender waits)
// identifies itself with each report, and reports of an instance that is not the current one are ignored. Times in milliseconds.
import type { FailedAttempt, JobDelivery, JobStatus } from "../../contract/job.ts";

const MINUTE_MS = 60_000;
/** After this time an instance that has not started is started again. */
const START_MS = MINUTE_MS;
/** Longer than every deadline of an attempt, so an execution that takes longer is dead. */
const STUCK_MS = 65 * MINUTE_MS;
/** If nothing has happened this long after a delay, the engine that waited for its end is dead. */
const OVERDUE_MS = 15 * MINUTE_MS;
/** How long a record is stored after its last change. */
const RETENTION_MS = 30 * 86_400_000;

export interface JobState {
  job: string;
  status: JobStatus;
  /** 1 at first. A repeated event of a failed job starts the next generation. */
  generation: number;
  /** Id of the `accept` call that started this generation: the call may be repeated if its result was lost. */
  acceptId: string;
  /** The sender waits: a request answers the job, not an instance of the Workflow. */
  sync: boolean;
  /** The instance that may answer. */
  instance: string;
  /** Whether the instance exists. */
  started: boolean;
  /** The execution whose upstream call is in progress, or was when its engine died. */
  activeExecution: string | null;
  failedAttempts: FailedAttempt[];
  /** When the next attempt is due. */
  nextAt: number | null;
  /** The instance that may deliver. */
  deliveryInstance: string;
  /** Attempts since the delivery was last started. They select the next delay. */
  deliveryAttempts: number;
  /** Null: the job has no callback. */
  delivery: JobDelivery | null;
  createdAt: number;
  updatedAt: number;
  /** When this generation ended. */
  endedAt: number | null;
}

/** Whether the job has neither an answer nor a final error. */
export function isOpen({ status }: JobState): boolean {
  return status === "queued" || status === "running";
}

/** What the alarm of a record must do. */
export type Due =
  /** Start the instance, which was never started. */
  | "start"
  /** Start another instance: the engine died between two attempts, when no call was in progress. */
  | "restart"
  /** Fail the job: the execution is dead, and its call may have been paid. */
  | "lost"
  /** Start the delivery again: the engine that waited between its attempts is dead. */
  | "redeliver"
  | "remove";

/** What is due next, and when. */
export function nextDue(state: JobState): { at: number; due: Due } {
  if (isOpen(state)) {
    if (!state.started) return { at: state.updatedAt + START_MS, due: "start" };
    if (state.activeExecution !== null || state.sync) return { at: state.updatedAt + STUCK_MS, due: "lost" };
    return { at: Math.max(state.updatedAt, state.nextAt ?? 0) + OVERDUE_MS, due: "restart" };
  }
  if (state.delivery?.status === "pending") {
    return { at: Math.max(state.updatedAt, (state.delivery.next_at ?? 0) * 1_000) + OVERDUE_MS, due: "redeliver" };
  }
  return { at: state.updatedAt + RETENTION_MS, due: "remove" };
}

/** The `webhook-id` of a generation's outcome. It is the same on every attempt to deliver it, and differs between generations. */
export function eventId({ job, generation }: Pick<JobState, "job" | "generation">): string {
  return generation === 1 ? job : `${job}-${generation}`;
}
