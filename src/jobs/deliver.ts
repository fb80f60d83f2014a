// One attempt to tell a callback what became of a job, between what the job's record is asked and told. The request and its verdict are
// the callback's (core/callback.ts); the pauses are the Workflow's.
import type { CallbackRequest, HookOutput } from "../core/config/define-config.ts";
import { nextDelivery } from "../core/callbacks/outcome.ts";
import type { Delivery, DeliveryAttempt, JobSpec, JobOutcome } from "../core/jobs/job.ts";
import type { Deps } from "../deps.ts";

/** A record's methods as a delivery uses them (objects/job-record.ts). */
export interface DeliveryRecord {
  deliverable: (
    instance: string,
  ) => Promise<{ order: JobSpec; outcome: JobOutcome; event: string; endedAt: number; attempt: number } | null>;
  delivered: (
    at: number,
    instance: string,
    attempt: DeliveryAttempt,
    status: Delivery["status"],
    nextAt: number | null,
  ) => Promise<void>;
}

/** @returns when to try again, in milliseconds; null: it is over */
export async function deliver(
  deps: Deps,
  record: DeliveryRecord,
  { job, instance }: { job: string; instance: string },
): Promise<number | null> {
  const due = await record.deliverable(instance);
  if (due === null) return null;
  const { hook, payload, metadata, origin, callback } = due.order;
  const { outcome, event, endedAt, attempt } = due;
  if (callback === null) return null;
  const at = deps.now();
  const shaped = await shapedBy(deps, hook, { payload, metadata, ...outcome });
  const { attempt: made, verdict } =
    shaped !== undefined && "failed" in shaped
      ? {
          attempt: { at, status: null, error: shaped.failed, ms: 0 },
          verdict: { kind: "final", reason: shaped.failed } as const,
        }
      : await deps.callback(
          callback,
          { event: { id: event, job, hook, endedAt, metadata, ...outcome }, output: shaped },
          origin,
        );
  const next = nextDelivery(attempt, verdict);
  const pauseMs = "retryInMs" in next ? next.retryInMs : null;
  const now = deps.now();
  await record.delivered(
    now,
    instance,
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

type Shaped = { gave: CallbackRequest } | { failed: string } | undefined;

/** What the hook's `output` makes of it. The deployer's code: what it throws may hold anything, so only the kind is told. */
async function shapedBy({ config }: Deps, name: string | null, outcome: Parameters<HookOutput>[0]): Promise<Shaped> {
  if (name === null) return undefined;
  const hook = Object.hasOwn(config.hooks, name) ? config.hooks[name] : undefined;
  // Without its `output` this would be another request than the receiver was promised.
  if (hook === undefined) return { failed: "the hook is not in the config any more" };
  const { output } = hook;
  if (output === undefined) return undefined;
  try {
    return { gave: await output(outcome) };
  } catch (error) {
    return { failed: `output has failed (${error instanceof Error ? error.name : typeof error})` };
  }
}
