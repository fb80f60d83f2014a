// A job: what is to be answered, how far that is, and what GET /jobs/{id} shows of it. Plain data, since it crosses between objects,
// and the rule for trying again.
import type { Answer } from "../../contract/answer.ts";
import type { Caller } from "../callers/caller.ts";
import type { Delivery, DeliveryAttempt, FailedTry, JobError, JobStatus, JobView } from "../../contract/job.ts";
import type { Problem } from "../lib/problem.ts";
import type { Ask } from "../../contract/ask.ts";

export type { Delivery, DeliveryAttempt, FailedTry, JobError, JobStatus, JobView };

/** What is to be done, as it was accepted. */
export interface JobSpec {
  /** Name of the hook whose event it is; null: POST /jobs. */
  hook: string | null;
  /** Who asks, and whose the answer is. */
  caller: Caller;
  /** Checked, and for a hook locked to its preset. */
  ask: Ask;
  /** What the answer shows of the request's. */
  metadata: Record<string, string>;
  /** Name in `callbacks`; null: nobody is told. */
  callback: string | null;
  /** The event, for the hook's `output`. */
  payload: unknown;
  /** Where this Worker was reached: no callback goes there. */
  origin: string;
  /** The sender waits for the answer: no instance of the Workflow is started. */
  sync: boolean;
}

export type JobOutcome = { answer: Answer; error: null } | { answer: null; error: JobError };

/** What an instance of the Workflow is started with. */
export interface JobInstance {
  job: string;
  /** Its own id: the record hears the current ones only. */
  instance: string;
  /** Only deliver what is there. */
  deliverOnly: boolean;
}

/** Pauses before an unpaid try is repeated, in milliseconds (contract section 7). */
const RETRY_DELAYS_MS = [10_000, 60_000, 300_000, 900_000, 3_600_000];
const MAX_RETRY_DELAY_MS = 3_600_000;

/**
 * When to try again after `attempt` (1 is the first) has failed; null: never. What may have been paid is not, nor what fails the same
 * way every time: a request that is refused as such.
 */
export function retryDelayMs(problem: Problem, attempt: number): number | null {
  const pause = retryDelay(attempt);
  const mayPass = problem.status === 429 || problem.status >= 500;
  if (pause === null || problem.details.paid === "maybe" || !mayPass) return null;
  return Math.max(pause, Math.min(MAX_RETRY_DELAY_MS, (problem.details.retryAfter ?? 0) * 1_000));
}

/** The pause after an unpaid try, in milliseconds; null after the last one. */
export function retryDelay(attempt: number): number | null {
  return RETRY_DELAYS_MS[attempt - 1] ?? null;
}

/** An engine died over a call. */
export const LOST: JobError = {
  message:
    "The work on this job was cut off while UniAPI was being asked. The call may have been paid; send the event again only if you accept that.",
  type: "server_error",
  code: "upstream_error",
};

/** Nothing was asked. */
export const GIVEN_UP: JobError = {
  message:
    "This Worker could not work on the job: a setting is wrong, or its storage was out of reach. Nothing was asked and nothing was paid.",
  type: "server_error",
  code: "unavailable",
};

export function jobError(problem: Problem): JobError {
  const { message, type, code } = problem.body("").error;
  return { message, type, code };
}

/** An id that GET /jobs/{id} may look up: `job_` and a digest, or random text. */
export function isJobId(id: string): boolean {
  return /^job_[\w-]{22,64}$/.test(id);
}
