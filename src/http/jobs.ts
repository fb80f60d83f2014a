// POST /jobs, GET /jobs/{id} and POST /jobs/{id}/redeliver: questions that are answered in the background.
import { type Context, Hono } from "hono";
import { assertNotPaused } from "../answer/answer.ts";
import type { AppEnv } from "../app-env.ts";
import type { JobAccepted, JobView } from "../contract/job.ts";
import { isJobId, type JobSpec } from "../core/jobs/job.ts";
import { readJob } from "../core/jobs/read-job.ts";
import { decodeUtf8 } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { compose } from "../core/request/compose.ts";
import type { Caller } from "../deps.ts";
import { admit } from "../gate/admit.ts";
import { json } from "./respond/response.ts";

const MAX_BODY_BYTES = 3 * 1_048_576;

export const jobsRoutes = new Hono<AppEnv>().post("/", postJob).get("/:id", getJob).post("/:id/redeliver", redeliver);

async function postJob(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const caller = await admitServerCaller(c);
  assertNotPaused(deps);
  const bytes = await deps.receive(c.req.raw, Math.max(MAX_BODY_BYTES, deps.config.limits.max_body_bytes));
  const { ask, callback } = readJob(decodeUtf8(bytes), deps.config);
  // An invalid request fails here rather than as a job.
  compose(ask, deps.config);
  const job = `job_${deps.random(16)}`;
  const spec: JobSpec = {
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
  const { status } = await deps.jobs.accept(job, spec);
  return acceptedResponse(c, { job, status });
}

async function getJob(c: Context<AppEnv>): Promise<Response> {
  return json(c, await visibleJob(c));
}

async function redeliver(c: Context<AppEnv>): Promise<Response> {
  const { job, status } = await visibleJob(c);
  const result = await c.var.deps.jobs.redeliver(job);
  if (result === "unfinished")
    throw new Problem("invalid_request", "This job has no answer yet: it will be delivered when it has one.");
  if (result === "nothing to deliver")
    throw new Problem("invalid_request", "This job has no callback, so there is nothing to deliver.");
  return acceptedResponse(c, { job, status });
}

function acceptedResponse(c: Context<AppEnv>, body: JobAccepted): Response {
  return json(c, body, 202, { location: `/jobs/${body.job}` });
}

/** @throws Problem 404 not_found if there is no such job, or if the job belongs to another owner. The two errors are identical */
async function visibleJob(c: Context<AppEnv>): Promise<JobView> {
  const caller = await admitServerCaller(c);
  const id = c.req.param("id") ?? "";
  const view = isJobId(id) ? await c.var.deps.jobs.view(id, caller.owner) : null;
  if (view === null)
    throw new Problem("not_found", "There is no job with this id. Check the id; a job is stored for 30 days.", {
      param: "id",
    });
  c.var.logFields.job = id;
  return view;
}

/** @throws Problem 403 insufficient_scope for a restricted caller, and the problems of admit() */
async function admitServerCaller(c: Context<AppEnv>): Promise<Caller> {
  const { deps, logFields, waitUntil } = c.var;
  const caller = await admit(deps, c.req.raw, { logFields, waitUntil });
  if (caller.grant === undefined) return caller;
  throw new Problem("insufficient_scope", "This credential can't use jobs. Use a server key (sk_).");
}
