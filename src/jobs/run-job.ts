// One try at a job: the same path as POST /ask, with nobody waiting, between what its record is told before and after. A Workflow's step
// calls it, and a route whose sender waits. Upstream streams, whatever was asked for: a long answer must not look like silence.
import type { Answer } from "../contract/answer.ts";
import { compose } from "../core/request/compose.ts";
import { type FailedTry, jobError, type JobOrder, type JobOutcome, respondAgainMs } from "../core/jobs/job.ts";
import { asProblem, type Problem } from "../core/lib/problem.ts";
import { assertNotFailed, trim } from "../core/reply/trim.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { LogFacts } from "../platform/log.ts";
import { answer, type Streamed, type Whole } from "../answer/answer.ts";
import type { Finished } from "../answer/pending-turn.ts";

/** A record's methods as a run uses them (objects/job-record.ts). Times in milliseconds. */
export interface RunRecord {
  begin: (at: number, instance: string, execution: string) => Promise<{ order: JobOrder; attempt: number } | null>;
  postpone: (at: number, instance: string, failed: FailedTry, nextAt: number) => Promise<void>;
  finish: (at: number, instance: string, outcome: JobOutcome) => Promise<void>;
}

/** Pauses before a record is told again, in milliseconds: what was paid must not be lost to a passing fault. */
const TELL_AGAIN_MS = [200, 1_000, 5_000, 20_000, 60_000, 180_000];
/** Before anything is asked, and while a sender waits. */
const TELL_SOON_MS = [200, 500];

export interface Tried {
  /** When the same run is to be tried again, in milliseconds; undefined: it is over. */
  againMs?: number;
  outcome?: { answer: Answer } | { problem: Problem };
}

/**
 * @param record a fresh stub each time: one that has failed stays broken
 * @param later turns, kept answers and settlements
 * @throws Error where the record can't be told
 */
export async function runJob(
  deps: Deps,
  record: () => RunRecord,
  { job, instance }: { job: string; instance: string },
  later: RequestContext["later"],
): Promise<Tried> {
  const startedAt = deps.now();
  const execution = deps.random(8);
  const begun = await told(deps, TELL_SOON_MS, () => record().begin(startedAt, instance, execution));
  if (begun === null) return {};
  const { order, attempt } = begun;
  const facts: LogFacts = { request_id: `req_${deps.random(12)}`, route: "job", caller: order.caller.kind, job, attempt };
  if (order.hook !== null) facts.hook = order.hook;
  const outcome = await tryOnce(deps, order, facts, later);
  const at = deps.now();
  // A sender who waits tries again himself.
  const againMs = "answer" in outcome || order.sync ? null : respondAgainMs(outcome.problem, attempt);
  const tell = told(deps, order.sync ? TELL_SOON_MS : TELL_AGAIN_MS, () => {
    if ("answer" in outcome) return record().finish(at, instance, { answer: outcome.answer, error: null });
    if (againMs === null) return record().finish(at, instance, { answer: null, error: jobError(outcome.problem) });
    return record().postpone(at, instance, { at: Math.floor(at / 1_000), code: outcome.problem.code }, at + againMs);
  });
  // He has his answer all the same.
  await (order.sync ? tell.catch((error: unknown) => deps.log.warn("job_not_told", error)) : tell);
  facts.status = 200;
  facts.total_ms = at - startedAt;
  if ("problem" in outcome) {
    const { status, code, details } = outcome.problem;
    Object.assign(facts, { status, code, reason: details.reason } satisfies Partial<LogFacts>);
  }
  deps.log.request(facts, "job");
  return againMs === null ? { outcome } : { outcome, againMs };
}

async function tryOnce(
  deps: Deps,
  order: JobOrder,
  facts: LogFacts,
  later: RequestContext["later"],
): Promise<{ answer: Answer } | { problem: Problem }> {
  const { ask, caller, metadata } = order;
  const context: RequestContext = { requestId: facts.request_id, caller, signal: undefined, later, facts };
  try {
    const got = await answer(
      deps,
      {
        composed: compose(ask, deps.config),
        previousId: ask.previous_response_id,
        cache: ask.cache,
        control: { noStore: false, noCache: false, maxAge: undefined },
        cacheByDefault: true,
        metadata,
        stream: true,
        idFirst: false,
        retries: true,
      },
      context,
    );
    const { response, facts: known } = await finished(got);
    assertNotFailed(response);
    return { answer: trim(response, known) };
  } catch (error) {
    return { problem: asProblem(error, facts.asked) };
  }
}

async function finished(got: Whole | Streamed): Promise<Finished> {
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
