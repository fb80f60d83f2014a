// One try at a job: the same path as POST /ask, with nobody waiting, between what its record is told before and after. A Workflow's step
// calls it, and a route whose sender waits. Upstream streams, whatever was asked for: a long answer must not look like silence.
import { compose } from "../core/compose.ts";
import { type FailedTry, jobError, type JobOrder, type JobOutcome, respondAgainMs } from "../core/job.ts";
import { asProblem, type Problem } from "../core/problem.ts";
import { type Answer, assertNotFailed, trim } from "../core/trim.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { LogFacts } from "../platform/log.ts";
import { answer, type Streamed, type Whole } from "./answer.ts";
import type { Finished } from "./making.ts";

/** A record's methods as a run uses them (objects/job-record.ts). Times in milliseconds. */
export interface RunRecord {
  begin: (at: number, run: number, attempt: number) => Promise<JobOrder | null>;
  postpone: (at: number, run: number, failed: FailedTry, nextAt: number) => Promise<void>;
  finish: (at: number, run: number, outcome: JobOutcome) => Promise<void>;
}

/** Of telling a record how a try ended: what was paid must not be lost to a passing fault. Milliseconds. */
const TELL_AGAIN_MS = [200, 1_000, 5_000];

export interface Tried {
  /** When the same run is to be tried again, in milliseconds; undefined: it is over. */
  againMs?: number;
  outcome?: { answer: Answer } | { problem: Problem };
}

/** @param lastTry nobody will try again: the run ends here, whatever comes */
export async function runJob(
  deps: Deps,
  record: RunRecord,
  { job, run, attempt, lastTry }: { job: string; run: number; attempt: number; lastTry: boolean },
): Promise<Tried> {
  const startedAt = deps.now();
  const order = await record.begin(startedAt, run, attempt);
  if (order === null) return {};
  const facts: LogFacts = { request_id: `req_${deps.random(12)}`, route: "job", caller: order.caller.kind, job, attempt };
  if (order.hook !== null) facts.hook = order.hook;
  const after: Promise<unknown>[] = [];
  const outcome = await tryOnce(deps, order, facts, (work) => void after.push(work));
  const at = deps.now();
  const againMs = "answer" in outcome || lastTry ? null : respondAgainMs(outcome.problem, attempt);
  await told(deps, () => {
    if ("answer" in outcome) return record.finish(at, run, { answer: outcome.answer, error: null });
    if (againMs === null) return record.finish(at, run, { answer: null, error: jobError(outcome.problem) });
    return record.postpone(at, run, { at: Math.floor(at / 1_000), code: outcome.problem.code }, at + againMs);
  });
  facts.status = 200;
  facts.total_ms = at - startedAt;
  if ("problem" in outcome) {
    const { status, code, details } = outcome.problem;
    Object.assign(facts, { status, code, reason: details.reason } satisfies Partial<LogFacts>);
  }
  deps.log.request(facts, "job");
  // Turns, kept answers and settlements: a step leaves nothing behind that goes on.
  await Promise.allSettled(after);
  return againMs === null ? { outcome } : { outcome, againMs };
}

async function tryOnce(
  deps: Deps,
  order: JobOrder,
  facts: LogFacts,
  later: RequestContext["later"],
): Promise<{ answer: Answer } | { problem: Problem }> {
  const { ask, caller, metadata } = order;
  const context: RequestContext = { requestId: facts.request_id, caller, signal: new AbortController().signal, later, facts };
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

async function told(deps: Deps, tell: () => Promise<void>): Promise<void> {
  for (const pause of TELL_AGAIN_MS) {
    try {
      return await tell();
    } catch {
      await deps.sleep(pause);
    }
  }
  await tell();
}
