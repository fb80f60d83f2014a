// A job: its spec, its outcome, and the rule for another attempt. All of it is plain data, because it crosses between Durable Objects.
import type { Answer } from "../../contract/answer.ts";
import type { Ask } from "../../contract/ask.ts";
import type { JobError } from "../../contract/job.ts";
import type { Caller } from "../callers/caller.ts";
import type { Problem } from "../lib/problem.ts";

/** A job as it was accepted. */
export interface JobSpec {
  /** Name of the hook that received the event; null for POST /jobs. */
  hook: string | null;
  /** Who asks and who owns the answer. */
  caller: Caller;
  /** Validated, and for a hook restricted to its preset. */
  ask: Ask;
  /** The part of the request's metadata that the answer shows. */
  metadata: Record<string, string>;
  /** Name in the config's `callbacks`; null: there is no delivery. */
  callback: string | null;
  /** The event, for the hook's `output`. */
  payload: unknown;
  /** Origin under which this Worker was called: no callback may go there. */
  origin: string;
  /** The sender waits for the answer, so no instance of the Workflow is started. */
  sync: boolean;
}

export type JobOutcome = { answer: Answer; error: null } | { answer: null; error: JobError };

/** Parameters of an instance of the Workflow. */
export interface JobWorkflowParams {
  job: string;
  /** The instance's own id. */
  instance: string;
  /** The job has its outcome: only deliver it. */
  deliverOnly: boolean;
}

/** Delays between attempts that were not paid, in milliseconds (docs/contract.md §7). */
const RETRY_DELAYS_MS = [10_000, 60_000, 300_000, 900_000, 3_600_000];
const MAX_RETRY_DELAY_MS = 3_600_000;

/**
 * Milliseconds until the next attempt; null: never. An attempt that may have been paid is not repeated. Neither is a request that is
 * wrong, because it would fail the same way again.
 * @param attempt number of the attempt that failed, from 1
 */
export function retryDelayMs(problem: Problem, attempt: number): number | null {
  const delay = scheduledDelayMs(attempt);
  const isTemporary = problem.status === 429 || problem.status >= 500;
  if (delay === null || problem.details.paid === "maybe" || !isTemporary) return null;
  return Math.max(delay, Math.min(MAX_RETRY_DELAY_MS, (problem.details.retryAfter ?? 0) * 1_000));
}

/** The scheduled delay after an attempt, from 1, in milliseconds; null after the last attempt. */
export function scheduledDelayMs(attempt: number): number | null {
  return RETRY_DELAYS_MS[attempt - 1] ?? null;
}

/** The engine died while it called upstream. */
export const LOST_CALL_ERROR: JobError = {
  message:
    "This job was interrupted while it waited for UniAPI. The call may have been billed; send the event again only if you accept that.",
  type: "server_error",
  code: "upstream_error",
};

/** Every attempt failed before it called upstream. */
export const NO_CALL_ERROR: JobError = {
  message:
    "This Worker could not run the job: a setting is wrong, or its storage was unavailable. UniAPI was not called and nothing was billed. Check the log, then send the event again.",
  type: "server_error",
  code: "unavailable",
};

export function jobError(problem: Problem): JobError {
  const { message, type, code } = problem.body("").error;
  return { message, type, code };
}

/** Whether GET /jobs/{id} may look up this id: `job_` and a digest or random text. */
export function isJobId(id: string): boolean {
  return /^job_[\w-]{22,64}$/.test(id);
}
