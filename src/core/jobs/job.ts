// A job's spec and outcome, and the rule for another attempt. Spec and outcome are plain data, because Durable Objects exchange them.
import type { Answer } from "../../contract/answer.ts";
import type { Ask } from "../../contract/ask.ts";
import type { JobError } from "../../contract/job.ts";
import type { Caller } from "../callers/caller.ts";
import type { Problem } from "../lib/problem.ts";

/** A job as it was accepted. */
export interface JobSpec {
  /** Name of the hook that received the event; null for POST /jobs. */
  hook: string | null;
  /** The caller that asks and owns the answer. */
  caller: Caller;
  /** The validated request. For a hook, it is also restricted to the hook's preset. */
  ask: Ask;
  /** The part of the request's metadata that the answer shows. */
  metadata: Record<string, string>;
  /** Name of an entry in the config's `callbacks`; null if the outcome is not delivered. */
  callback: string | null;
  /** The event's payload, which the hook's `output` gets. */
  payload: unknown;
  /** Origin under which this Worker was called. No callback may go there. */
  origin: string;
  /** Whether the sender waits for the answer. Then no instance of the Workflow is started. */
  sync: boolean;
}

export type JobOutcome = { answer: Answer; error: null } | { answer: null; error: JobError };

/** Parameters of an instance of the Workflow. */
export interface JobWorkflowParams {
  job: string;
  /** The instance's own id. */
  instance: string;
  /** Whether the job already has its outcome, in which case the instance only delivers it. */
  deliverOnly: boolean;
}

/** Delays after attempts that failed unpaid, in milliseconds (docs/contract.md §7). */
const RETRY_DELAYS_MS = [10_000, 60_000, 300_000, 900_000, 3_600_000];
const MAX_RETRY_DELAY_MS = 3_600_000;

/**
 * Decides when to repeat a failed attempt. An attempt that may have been paid is not repeated. Neither is an invalid request, because it
 * would fail again.
 * @param attempt number of the attempt that failed, from 1
 * @returns milliseconds until the next attempt; null if there is none
 */
export function retryDelayMs(problem: Problem, attempt: number): number | null {
  const delay = scheduledDelayMs(attempt);
  const isTemporary = problem.status === 429 || problem.status >= 500;
  if (delay === null || problem.details.paid === "maybe" || !isTemporary) return null;
  return Math.max(delay, Math.min(MAX_RETRY_DELAY_MS, (problem.details.retryAfter ?? 0) * 1_000));
}

/**
 * Returns the scheduled delay after an attempt, in milliseconds; null after the last attempt.
 * @param attempt number of the attempt, from 1
 */
export function scheduledDelayMs(attempt: number): number | null {
  return RETRY_DELAYS_MS[attempt - 1] ?? null;
}

/** The error of a job whose engine died while it called upstream. */
export const LOST_CALL_ERROR: JobError = {
  message:
    "This job was interrupted while it waited for UniAPI. The call may have been billed; send the event again only if you accept that.",
  type: "server_error",
  code: "upstream_error",
};

/** The error of a job whose attempts all failed before they called upstream. */
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

/** Whether an id has the form of a job id: `job_`, then a digest or random characters. Other ids are not looked up. */
export function isJobId(id: string): boolean {
  return /^job_[\w-]{22,64}$/.test(id);
}
