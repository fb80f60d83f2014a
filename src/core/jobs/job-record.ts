// The methods of a job's record, a Durable Object (src/durable/job-record.ts) that routes and the Workflow call by RPC. Unless noted
// otherwise, times are in milliseconds since 1970. `at` is the caller's current time.
import type { DeliveryAttempt, FailedAttempt, JobDelivery, JobStatus, JobView } from "../../contract/job.ts";
import type { JobOutcome, JobSpec } from "./job.ts";

export interface JobRecordMethods {
  /**
   * Records a new job, or starts a failed one over. Any other job is a duplicate. Once this has returned, the job can't be lost.
   * @param acceptId id of this call; a repeated call with the same id gets the same result
   * @returns `accepted` is false for a duplicate; `instance` is the id of the instance that may answer the job
   */
  accept(
    at: number,
    job: string,
    spec: JobSpec,
    acceptId: string,
  ): Promise<{ accepted: boolean; status: JobStatus; instance: string }>;

  /**
   * Begins an attempt, before upstream is called. If an earlier execution of this instance began and died, the job fails, because that
   * execution's call may have been paid.
   * @param execution id of this execution; a repeated call with the same id gets the same result
   * @returns the spec and the number of this attempt in its generation, from 1; null if this instance must not answer
   */
  begin(at: number, instance: string, execution: string): Promise<{ spec: JobSpec; attempt: number } | null>;

  /** Records an attempt that failed unpaid. It is repeated at `nextAt`. */
  postpone(at: number, instance: string, failed: FailedAttempt, nextAt: number): Promise<void>;

  /** Records how the job ended. Only the first call counts. */
  finish(at: number, instance: string, outcome: JobOutcome): Promise<void>;

  /**
   * Handles a failed step of the instance. If a call was in progress, the job fails, because the call may have been paid. If not, the
   * attempt is repeated.
   * @returns milliseconds until the next attempt; null if there is none
   */
  giveUp(at: number, instance: string): Promise<number | null>;

  /** Reads what this instance must deliver. Null if there is nothing, or if another instance has replaced this one. */
  readDeliverable(instance: string): Promise<Deliverable | null>;

  /** Records one attempt to deliver. @param nextAt Unix seconds of the next attempt; null after the last one */
  recordDelivery(
    at: number,
    instance: string,
    attempt: DeliveryAttempt,
    status: JobDelivery["status"],
    nextAt: number | null,
  ): Promise<void>;

  /**
   * Delivers the outcome again. Replaces a delivery that is waiting for its next attempt.
   * @returns `unfinished` if there is no outcome yet; `nothing to deliver` if the job has no callback or does not exist
   * @throws Error if no instance can be started
   */
  redeliver(): Promise<"accepted" | "unfinished" | "nothing to deliver">;

  /**
   * Returns the body of GET /jobs/{id}; null if the job does not exist or the owner must not see it.
   * @param owner the owner that asks; it sees its own jobs and those of hooks
   */
  view(owner: string): Promise<JobView | null>;

  /** Reads the spec and the outcome; null if there is no outcome yet. */
  readOutcome(): Promise<{ spec: JobSpec; outcome: JobOutcome } | null>;
}

/** The data that one attempt to deliver needs. */
export interface Deliverable {
  spec: JobSpec;
  outcome: JobOutcome;
  /** The value of `webhook-id`. */
  eventId: string;
  /** When the job ended. */
  endedAt: number;
  /** Number of the next attempt of this delivery, from 1. */
  attempt: number;
}
