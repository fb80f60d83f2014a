// The methods of a job's record, a Durable Object (src/durable/job-record.ts) that routes and the Workflow call by RPC. Times are in
// milliseconds.
import type { DeliveryAttempt, FailedAttempt, JobDelivery, JobStatus, JobView } from "../../contract/job.ts";
import type { JobOutcome, JobSpec } from "./job.ts";

export interface JobRecordMethods {
  /**
   * Records a new job, or starts a failed one over. Any other job is a duplicate. Once this has returned, the job can't be lost.
   * @param acceptId of this call: a repeated call with the same id gets the same result
   * @returns `accepted: false` for a duplicate; `instance` may answer the job
   */
  accept(
    at: number,
    job: string,
    spec: JobSpec,
    acceptId: string,
  ): Promise<{ accepted: boolean; status: JobStatus; instance: string }>;

  /**
   * Begins an attempt, before upstream is called. Null: this instance must not answer. If an earlier execution of it has begun and
   * died, the job fails, because that execution's call may have been paid.
   * @param execution id of this execution: a repeated call with the same id gets the same result
   * @returns `attempt`: the number of the attempt in this generation, from 1
   */
  begin(at: number, instance: string, execution: string): Promise<{ spec: JobSpec; attempt: number } | null>;

  /** Records an attempt that failed unpaid and will be repeated at `nextAt`. */
  postpone(at: number, instance: string, failed: FailedAttempt, nextAt: number): Promise<void>;

  /** Records how the job ended. Only the first call counts. */
  finish(at: number, instance: string, outcome: JobOutcome): Promise<void>;

  /**
   * Handles a failed step of the instance. If a call was in progress, it may have been paid, and the job fails. If not, the attempt is
   * repeated.
   * @returns milliseconds until the next attempt; null: there is none
   */
  giveUp(at: number, instance: string): Promise<number | null>;

  /** What this instance must deliver. Null: nothing, or another instance has replaced it. */
  readDeliverable(instance: string): Promise<Deliverable | null>;

  /** Records one attempt to deliver. @param nextAt in Unix seconds */
  recordDelivery(
    at: number,
    instance: string,
    attempt: DeliveryAttempt,
    status: JobDelivery["status"],
    nextAt: number | null,
  ): Promise<void>;

  /** Delivers the outcome again. It replaces a delivery that still waits. @throws Error where no instance can be started */
  redeliver(): Promise<"accepted" | "unfinished" | "nothing to deliver">;

  /** Null: there is no such job for this owner. @param owner sees its own jobs and those of hooks */
  view(owner: string): Promise<JobView | null>;

  /** The spec and the outcome; null while there is no outcome. */
  readOutcome(): Promise<{ spec: JobSpec; outcome: JobOutcome } | null>;
}

/** Everything that one attempt to deliver needs. */
export interface Deliverable {
  spec: JobSpec;
  outcome: JobOutcome;
  /** The `webhook-id`. */
  eventId: string;
  /** When the job ended. */
  endedAt: number;
  /** Number of the next attempt of this delivery, from 1. */
  attempt: number;
}
