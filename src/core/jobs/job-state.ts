// The pure part of a job's record: its state, and the next action that is due. An instance is an instance of the Workflow, or a request
// whose sender waits. Each report names its instance, and reports of any but the current instance are ignored. Times are in milliseconds.
import type { FailedAttempt, JobDelivery, JobStatus } from "../../contract/job.ts";

const MINUTE_MS = 60_000;
/** An instance that has not started after this time is started again. */
const START_MS = MINUTE_MS;
/** Longer than every deadline of an attempt, so an execution that takes longer is dead. */
const STUCK_MS = 65 * MINUTE_MS;
/** If nothing has happened for this long after a delay ended, the engine that waited for the end is dead. */
const OVERDUE_MS = 15 * MINUTE_MS;
/** How long a record is stored after its last change. */
const RETENTION_MS = 30 * 86_400_000;

export interface JobState {
  job: string;
  status: JobStatus;
  /** Starts at 1. A repeated event of a failed job starts the next generation. */
  generation: number;
  /** Id of the `accept` call that started this generation. It identifies a repeated call, whose first result was lost. */
  acceptId: string;
  /** Whether the sender waits for the answer. Then a request answers the job, not an instance of the Workflow. */
  sync: boolean;
  /** Id of the instance that may answer. */
  instance: string;
  /** Whether the instance exists. */
  started: boolean;
  /** Id of the execution whose upstream call is in progress, or was in progress when its engine died. */
  activeExecution: string | null;
  failedAttempts: FailedAttempt[];
  /** When the next attempt is due. */
  nextAt: number | null;
  /** Id of the instance that may deliver. */
  deliveryInstance: string;
  /** Number of attempts since the delivery was last started. It selects the next delay. */
  deliveryAttempts: number;
  /** Null if the job has no callback. */
  delivery: JobDelivery | null;
  createdAt: number;
  updatedAt: number;
  /** When this generation ended; null while it is open. */
  endedAt: number | null;
}

/** Whether the job has neither an answer nor a final error. */
export function isOpen({ status }: JobState): boolean {
  return status === "queued" || status === "running";
}

/** The action that the alarm of a record takes. */
export type Due =
  /** Start the instance, because it was never started. */
  | "start"
  /** Start another instance, because the engine died between two attempts, when no call was in progress. */
  | "restart"
  /** Fail the job, because the execution is dead and its call may have been paid. */
  | "lost"
  /** Start the delivery again, because the engine that waited between its attempts is dead. */
  | "redeliver"
  | "remove";

/** Returns the next action that is due, and its time. */
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

/** The `webhook-id` of a generation's outcome. All attempts to deliver the outcome share it, and each generation has a different one. */
export function eventId({ job, generation }: Pick<JobState, "job" | "generation">): string {
  return generation === 1 ? job : `${job}-${generation}`;
}
