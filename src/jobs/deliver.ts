// One attempt to deliver the outcome of a job to its callback. Reads from the record what to deliver, sends it through
// platform/callback.ts, and records the result. The Workflow waits between attempts.
import type { HookOutcome } from "../core/config/define-config.ts";
import type { CallbackContent } from "../core/callbacks/callback-request.ts";
import { nextDelivery } from "../core/callbacks/outcome.ts";
import { errorNameOf, toProblem } from "../core/lib/problem.ts";
import type { JobRecordMethods } from "../core/jobs/job-record.ts";
import type { Deps } from "../deps.ts";
import type { CallbackResult } from "../platform/callback.ts";

/** The part of a job's record that a delivery uses. */
type DeliveryRecord = Pick<JobRecordMethods, "readDeliverable" | "recordDelivery">;

/**
 * Makes one attempt to deliver.
 * @returns milliseconds until the next attempt; null if the delivery is over, or nothing is to be delivered
 */
export async function deliver(
  deps: Deps,
  record: DeliveryRecord,
  { job: jobId, instance }: { job: string; instance: string },
): Promise<number | null> {
  const delivery = await record.readDeliverable(instance);
  if (delivery === null) return null;
  const { spec, outcome, eventId, endedAt, attempt: attemptNumber } = delivery;
  const { hook, metadata, origin, callback } = spec;
  if (callback === null) return null;
  const startedAt = deps.now();
  const requestId = `req_${deps.random(12)}`;
  const output = await outputOf(deps, requestId, hook, { payload: spec.payload, metadata, ...outcome });
  const { attempt, outcome: result }: CallbackResult =
    output !== undefined && "failed" in output
      ? {
          attempt: { at: startedAt, status: null, error: output.failed, ms: 0 },
          outcome: { kind: "final", reason: output.failed },
        }
      : await deps.sendCallback(
          callback,
          { event: { id: eventId, job: jobId, hook, endedAt, metadata, ...outcome }, output },
          origin,
        );
  const next = nextDelivery(attemptNumber, result);
  const delayMs = "retryInMs" in next ? next.retryInMs : null;
  const now = deps.now();
  await record.recordDelivery(
    now,
    instance,
    { at: Math.floor(attempt.at / 1_000), status: attempt.status, error: attempt.error },
    "done" in next ? "delivered" : delayMs === null ? "failed" : "pending",
    delayMs === null ? null : Math.ceil((now + delayMs) / 1_000),
  );
  deps.log.request(
    {
      request_id: requestId,
      route: "callback",
      job: jobId,
      attempt: attemptNumber,
      ...(hook === null ? {} : { hook }),
      ...(attempt.status === null ? {} : { status: attempt.status }),
      ...(attempt.error === null ? {} : { reason: attempt.error }),
      total_ms: attempt.ms,
    },
    "delivery",
  );
  return delayMs;
}

/**
 * Runs the hook's `output`, whose result is `returned`. Returns undefined if the job has no hook, or the hook has no `output`. `failed` is
 * the reason if the hook is no longer in the config or `output` throws. It contains only the error's name, since the error's message may
 * quote the event.
 */
async function outputOf(
  { config, log }: Deps,
  requestId: string,
  name: string | null,
  outcome: HookOutcome,
): Promise<CallbackContent["output"] | { failed: string }> {
  if (name === null) return undefined;
  const hook = Object.hasOwn(config.hooks, name) ? config.hooks[name] : undefined;
  // Don't fall back to the default body: the hook's `output` may have produced a different one for this receiver.
  if (hook === undefined) return { failed: "the hook is no longer in the config" };
  if (hook.output === undefined) return undefined;
  try {
    return { returned: await hook.output(outcome) };
  } catch (error) {
    log.exception(requestId, toProblem(error));
    return { failed: `output failed (${errorNameOf(error)})` };
  }
}
