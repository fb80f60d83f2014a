// One try at a job: the same path as POST /ask, with nobody waiting, between what its record is told before and after. A Workflow's step
// calls it, and a route whose sender waits. Upstream streams, whatever was asked for: a long answer must not look like silence.
import type { Answer } from "../contract/answer.ts";
import { compose } from "../core/request/compose.ts";
import { type FailedTry, jobError, type JobSpec, type JobOutcome, retryDelayMs } from "../core/jobs/job.ts";
import { asProblem, type Problem } from "../core/lib/problem.ts";
import { assertNotFailed, trim } from "../core/reply/trim.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { LogFields } from "../platform/log.ts";
import { answer, type StreamedAnswer, type WholeAnswer } from "../answer/answer.ts";
import type { FinishedAnswer } from "../answer/pending-turn.ts";

/** A record's methods as a run uses them (objects/job-record.ts). Times in milliseconds. */
export interface AnswerRecordStub {
  begin: (at: number, instance: string, execution: string) => Promise<{ order: JobSpec; attempt: number } | null>;
  postpone: (at: number, instance: string, failed: FailedTry, nextAt: number) => Promise<void>;
  finish: (at: number, instance: string, outcome: JobOutcome) => Promise<void>;
}

/** Pauses before a record is told again, in milliseconds: what was paid must not be lost to a passing fault. */
const TELL_AGAIN_MS = [200, 1_000, 5_000, 20_000, 60_000, 180_000];
/** Before anything is asked, and while a sender waits. */
const TELL_SOON_MS = [200, 500];

export interface JobAttempt {
  /** When the same run is to be tried again, in milliseconds; undefined: it is over. */
  againMs?: number;
  outcome?: { answer: Answer } | { problem: Problem };
}

/**
 * @param record a fresh stub each time: one that has failed stays broken
 * @param later turns, kept answers and settlements
 * @throws Error where the record can't be told
 */
export async function answerJob(
  deps: Deps,
  record: () => AnswerRecordStub,
  { job, instance }: { job: string; instance: string },
  waitUntil: RequestContext["waitUntil"],
): Promise<JobAttempt> {
  const startedAt = deps.now();
  const execution = deps.random(8);
  const begun = await told(deps, TELL_SOON_MS, () => record().begin(startedAt, instance, execution));
  if (begun === null) return {};
  const { order, attempt } = begun;
  const logFields: LogFields = {
    request_id: `req_${deps.random(12)}`,
    route: "job",
    caller: order.caller.kind,
    job,
    attempt,
  };
  if (order.hook !== null) logFields.hook = order.hook;
  const outcome = await tryOnce(deps, order, logFields, waitUntil);
  const at = deps.now();
  // A sender who waits tries again himself.
  const againMs = "answer" in outcome || order.sync ? null : retryDelayMs(outcome.problem, attempt);
  const tell = told(deps, order.sync ? TELL_SOON_MS : TELL_AGAIN_MS, () => {
    if ("answer" in outcome) return record().finish(at, instance, { answer: outcome.answer, error: null });
    if (againMs === null) return record().finish(at, instance, { answer: null, error: jobError(outcome.problem) });
    return record().postpone(at, instance, { at: Math.floor(at / 1_000), code: outcome.problem.code }, at + againMs);
  });
  // He has his answer all the same.
  await (order.sync ? tell.catch((error: unknown) => deps.log.warn("job_not_told", error)) : tell);
  logFields.status = 200;
  logFields.total_ms = at - startedAt;
  if ("problem" in outcome) {
    const { status, code, details } = outcome.problem;
    Object.assign(logFields, { status, code, reason: details.reason } satisfies Partial<LogFields>);
  }
  deps.log.request(logFields, "job");
  return againMs === null ? { outcome } : { outcome, againMs };
}

async function tryOnce(
  deps: Deps,
  order: JobSpec,
  logFields: LogFields,
  waitUntil: RequestContext["waitUntil"],
): Promise<{ answer: Answer } | { problem: Problem }> {
  const { ask, caller, metadata } = order;
  const context: RequestContext = { requestId: logFields.request_id, caller, signal: undefined, waitUntil, logFields };
  try {
    const got = await answer(
      deps,
      {
        composed: compose(ask, deps.config),
        previousId: ask.previous_response_id,
        cache: ask.cache,
        cacheControl: { noStore: false, noCache: false, maxAge: undefined },
        cacheByDefault: true,
        metadata,
        stream: true,
        idFirst: false,
        retries: true,
      },
      context,
    );
    const { response, context: known } = await finished(got);
    assertNotFailed(response);
    return { answer: trim(response, known) };
  } catch (error) {
    return { problem: asProblem(error, logFields.asked) };
  }
}

async function finished(got: WholeAnswer | StreamedAnswer): Promise<FinishedAnswer> {
  if (got.kind === "whole") return got.finished;
  for (;;) {
    const { finished } = await got.next();
    if (finished !== undefined) return finished;
  }
}

/** @param pauses in milliseconds, each before another try */
async function told<T>(deps: Deps, pauses: readonly number[], tell: () => Promise<T>): Promise<T> {
  for (const pause of pauses) {
    try {
      return await tell();
    } catch {
      await deps.sleep(pause);
    }
  }
  return await tell();
}
