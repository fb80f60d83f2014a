// One attempt to answer a job. A step of the Workflow makes it, or POST /hooks/{name} if the sender waits. The attempt answers like POST
// /ask, and reports to the job's record before and after the call. The call always streams: without a stream, upstream would send no bytes
// until the answer is complete, so a long answer would time out.
import type { Answer } from "../contract/answer.ts";
import { compose } from "../core/request/compose.ts";
import { jobError, type JobSpec, retryDelayMs } from "../core/jobs/job.ts";
import type { JobRecordMethods } from "../core/jobs/job-record.ts";
import { toProblem, type Problem } from "../core/lib/problem.ts";
import { assertNotFailed, trim } from "../core/reply/trim.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { LogFields } from "../platform/log.ts";
import { answer, type StreamedAnswer, type WholeAnswer } from "../answer/answer.ts";
import type { FinishedAnswer } from "../answer/pending-turn.ts";

/** The part of a job's record that an attempt reports to. */
type AnswerRecord = Pick<JobRecordMethods, "begin" | "postpone" | "finish">;

/**
 * Delays between attempts to report, in milliseconds. They are long, because a paid answer must survive a temporary failure of the record.
 */
const REPORT_DELAYS_MS = [200, 1_000, 5_000, 20_000, 60_000, 180_000];
/** Delays between attempts to report before upstream is called, and while a sender waits, in milliseconds. */
const SHORT_DELAYS_MS = [200, 500];

export interface AttemptResult {
  /** Milliseconds until the next attempt; undefined if there is none. */
  retryInMs?: number;
  /** Undefined if the record did not permit the attempt. */
  outcome?: { answer: Answer } | { problem: Problem };
}

/**
 * Makes one attempt at a job.
 * @param record returns a new stub for each call, because a stub that has failed remains broken
 * @param instance the instance of the Workflow, or the request, that answers the job
 * @param waitUntil receives the writes of the turn and the cached answer, and the settlement of budgets
 * @throws Error if the record can't be reached. If a sender waits, a failed report after the call is only logged
 */
export async function answerJob(
  deps: Deps,
  record: () => AnswerRecord,
  { job, instance }: { job: string; instance: string },
  waitUntil: RequestContext["waitUntil"],
): Promise<AttemptResult> {
  const startedAt = deps.now();
  const execution = deps.random(8);
  const permit = await withRetries(deps, SHORT_DELAYS_MS, () => record().begin(startedAt, instance, execution));
  if (permit === null) return {};
  const { spec, attempt } = permit;
  const logFields: LogFields = {
    request_id: `req_${deps.random(12)}`,
    route: "job",
    caller: spec.caller.kind,
    job,
    attempt,
  };
  if (spec.hook !== null) logFields.hook = spec.hook;
  const outcome = await callUpstream(deps, spec, logFields, waitUntil);
  const at = deps.now();
  // A sender that waits makes its own retries.
  const retryInMs = "answer" in outcome || spec.sync ? null : retryDelayMs(outcome.problem, attempt);
  const report = withRetries(deps, spec.sync ? SHORT_DELAYS_MS : REPORT_DELAYS_MS, () => {
    if ("answer" in outcome) return record().finish(at, instance, { answer: outcome.answer, error: null });
    if (retryInMs === null) return record().finish(at, instance, { answer: null, error: jobError(outcome.problem) });
    return record().postpone(at, instance, { at: Math.floor(at / 1_000), code: outcome.problem.code }, at + retryInMs);
  });
  // A sender that waits gets its answer even if it can't be recorded.
  await (spec.sync ? report.catch((error: unknown) => deps.log.warn("job_not_recorded", error)) : report);
  logFields.status = 200;
  logFields.total_ms = at - startedAt;
  if ("problem" in outcome) {
    const { status, code, details } = outcome.problem;
    Object.assign(logFields, { status, code, reason: details.reason } satisfies Partial<LogFields>);
  }
  deps.log.request(logFields, "job");
  return retryInMs === null ? { outcome } : { outcome, retryInMs };
}

async function callUpstream(
  deps: Deps,
  { ask, caller, metadata }: JobSpec,
  logFields: LogFields,
  waitUntil: RequestContext["waitUntil"],
): Promise<{ answer: Answer } | { problem: Problem }> {
  const context: RequestContext = { requestId: logFields.request_id, caller, signal: undefined, waitUntil, logFields };
  try {
    const reply = await answer(
      deps,
      {
        composed: compose(ask, deps.config),
        previousId: ask.previous_response_id,
        cache: ask.cache,
        cacheControl: { noStore: false, noCache: false, maxAge: undefined },
        cacheByDefault: true,
        metadata,
        stream: true,
        live: "text",
        retryIfBusy: true,
      },
      context,
    );
    const { response, context: answerContext } = await finishedAnswerOf(reply);
    assertNotFailed(response);
    return { answer: trim(response, answerContext) };
  } catch (error) {
    const problem = toProblem(error, logFields.upstream_called);
    deps.log.exception(logFields.request_id, problem);
    return { problem };
  }
}

async function finishedAnswerOf(reply: WholeAnswer | StreamedAnswer): Promise<FinishedAnswer> {
  if (reply.kind === "whole") return reply.finished;
  for (;;) {
    const { finished } = await reply.next();
    if (finished !== undefined) return finished;
  }
}

/** @param delaysMs the delays between attempts, so there is one more attempt than delays */
async function withRetries<T>(deps: Deps, delaysMs: readonly number[], work: () => Promise<T>): Promise<T> {
  for (const delayMs of delaysMs) {
    try {
      return await work();
    } catch {
      await deps.sleep(delayMs);
    }
  }
  return await work();
}
