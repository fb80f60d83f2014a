// POST /jobs, GET /jobs/{id}, POST /jobs/{id}/redeliver: questions whose answers nobody waits for.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { compose } from "../core/request/compose.ts";
import { isJobId, type JobSpec } from "../core/jobs/job.ts";
import type { JobAccepted } from "../contract/job.ts";
import { decodeUtf8 } from "../core/lib/json.ts";
import { methodNotAllowed, Problem } from "../core/lib/problem.ts";
import { readJob } from "../core/jobs/read-job.ts";
import type { Caller } from "../deps.ts";
import { admit } from "../gate/admit.ts";
import { assertNotPaused } from "../answer/answer.ts";

const MAX_BODY_BYTES = 3 * 1_048_576;
const NO_STORE = { "cache-control": "no-store" };

export const jobsRoutes = new Hono<AppEnv>()
  .post("/jobs", postJob)
  .get("/jobs/:id", getJob)
  .post("/jobs/:id/redeliver", redeliver)
  .all("/jobs", () => {
    throw methodNotAllowed("POST");
  })
  .all("/jobs/:id", () => {
    throw methodNotAllowed("GET, HEAD");
  })
  .all("/jobs/:id/redeliver", () => {
    throw methodNotAllowed("POST");
  });

async function postJob(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const caller = await admitServer(c);
  assertNotPaused(deps);
  const bytes = await deps.receive(c.req.raw, Math.max(MAX_BODY_BYTES, deps.config.limits.max_body_bytes));
  const { ask, callback } = readJob(decodeUtf8(bytes), deps.config);
  // What can't be asked is said now, not by a job that fails.
  compose(ask, deps.config);
  const job = `job_${deps.random(16)}`;
  const order: JobSpec = {
    hook: null,
    caller: { ...caller, kind: "job" },
    ask,
    metadata: ask.metadata ?? {},
    callback,
    payload: null,
    origin: new URL(c.req.url).origin,
    sync: false,
  };
  logFields.job = job;
  const { status } = await deps.jobs.accept(job, order);
  return Response.json({ job, status } satisfies JobAccepted, {
    status: 202,
    headers: { ...NO_STORE, location: `/jobs/${job}` },
  });
}

async function getJob(c: Context<AppEnv>): Promise<Response> {
  const { job, view } = await viewOf(c);
  c.var.logFields.job = job;
  return Response.json(view, { headers: NO_STORE });
}

async function redeliver(c: Context<AppEnv>): Promise<Response> {
  const { job, view } = await viewOf(c);
  c.var.logFields.job = job;
  const said = await c.var.deps.jobs.redeliver(job);
  if (said === "unfinished")
    throw new Problem("invalid_request", "This job has no answer yet: it will be delivered when it has one.");
  if (said === "nothing to deliver")
    throw new Problem("invalid_request", "This job has no callback, so there is nothing to deliver.");
  return Response.json({ job, status: view.status } satisfies JobAccepted, {
    status: 202,
    headers: { ...NO_STORE, location: `/jobs/${job}` },
  });
}

/** @throws Problem not_found, the same for what is not there and what is another's */
async function viewOf(c: Context<AppEnv>) {
  const caller = await admitServer(c);
  const job = c.req.param("id") ?? "";
  const view = isJobId(job) ? await c.var.deps.jobs.view(job, caller.owner) : null;
  if (view === null)
    throw new Problem("not_found", "There is no job with this id. Jobs are kept for 30 days.", { param: "id" });
  return { job, view };
}

async function admitServer(c: Context<AppEnv>): Promise<Caller> {
  const caller = await admit(c.var.deps, c.req.raw, {
    logFields: c.var.logFields,
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  });
  if (caller.grant === undefined) return caller;
  throw new Problem("insufficient_scope", "Jobs are for server keys (sk_), not for this credential.");
}
