// One attempt to tell a callback what became of a job, between what the job's record is asked and told. The request and its verdict are
// the callback's (core/callback.ts); the pauses are the Workflow's.
import type { CallbackRequest, HookOutput } from "../core/define-config.ts";
import { nextDelivery } from "../core/callback-verdict.ts";
import type { Delivery, DeliveryAttempt, JobOrder, JobOutcome } from "../core/job.ts";
import type { Deps } from "../deps.ts";

/** A record's methods as a delivery uses them (objects/job-record.ts). */
export interface DeliveryRecord {
  deliverable: (run: number, number: number) => Promise<{ order: JobOrder; outcome: JobOutcome; endedAt: number } | null>;
  delivered: (run: number, number: number, attempt: DeliveryAttempt, status: Delivery["status"], nextAt: number | null) => Promise<void>;
}

/**
 * @param delivery which delivery of the run
 * @param attempt of this delivery, from 1
 * @returns when to try again, in milliseconds; null: it is over
 */
export async function deliver(
  deps: Deps,
  record: DeliveryRecord,
  { job, run, delivery, attempt }: { job: string; run: number; delivery: number; attempt: number },
): Promise<number | null> {
  const due = await record.deliverable(run, delivery);
  if (due === null) return null;
  const { hook, payload, metadata, origin, callback } = due.order;
  const { outcome, endedAt } = due;
  if (callback === null) return null;
  const at = deps.now();
  const shape = hook === null ? undefined : deps.config.hooks[hook]?.output;
  const shaped = shape === undefined ? undefined : await outputOf(shape, { payload, metadata, ...outcome });
  const { attempt: made, verdict } =
    shaped !== undefined && "failed" in shaped
      ? { attempt: { at, status: null, error: shaped.failed, ms: 0 }, verdict: { kind: "final", reason: shaped.failed } as const }
      : await deps.callback(callback, { event: { job, hook, endedAt, metadata, ...outcome }, output: shaped }, origin);
  const next = nextDelivery(attempt, verdict);
  const pauseMs = "retryInMs" in next ? next.retryInMs : null;
  const now = deps.now();
  await record.delivered(
    run,
    delivery,
    { at: Math.floor(made.at / 1_000), status: made.status, error: made.error },
    "done" in next ? "delivered" : pauseMs === null ? "failed" : "pending",
    pauseMs === null ? null : Math.ceil((now + pauseMs) / 1_000),
  );
  deps.log.request(
    {
      request_id: `req_${deps.random(12)}`,
      route: "callback",
      job,
      attempt,
      ...(hook === null ? {} : { hook }),
      ...(made.status === null ? {} : { status: made.status }),
      ...(made.error === null ? {} : { reason: made.error }),
      total_ms: made.ms,
    },
    "delivery",
  );
  return pauseMs;
}

/** The deployer's code: what it throws may hold anything, so only the kind is told. */
async function outputOf(output: HookOutput, outcome: Parameters<HookOutput>[0]): Promise<{ gave: CallbackRequest } | { failed: string }> {
  try {
    return { gave: await output(outcome) };
  } catch (error) {
    return { failed: `output has failed (${error instanceof Error ? error.name : typeof error})` };
  }
}
