// POST /hooks/{name}: a signed event in, and at once an acknowledgement; its answer is made afterwards, by a job. Nothing of an event is
// read, counted or told before its signature is known to be good.
import { type Context, Hono } from "hono";
import { assertNotPaused } from "../answer/answer.ts";
import { answerJob } from "../jobs/run-job.ts";
import type { AppEnv } from "../app-env.ts";
import { compose } from "../core/request/compose.ts";
import { hookReply, jobSpecOf } from "../hooks/hook-event.ts";
import type { Hook } from "../core/config/define-config.ts";
import { deriveDigest, ownerOf } from "../core/callers/ids.ts";
import { methodNotAllowed, Problem } from "../core/lib/problem.ts";
import { type WebhookRequest, hookSecrets, type HookResult, type Reply, type Scheme } from "../hooks/scheme.ts";
import type { Caller, Deps } from "../deps.ts";
import { addressOf } from "../gate/address.ts";
import { assertWithinRateLimit } from "../gate/admit.ts";
import { schemeOf } from "../hooks/senders.ts";

const MAX_BODY_BYTES = 1_048_576;
/** How long the twin of an event whose sender waits is kept waiting for the same answer. */
const TWIN_WAITS_MS = 20_000;
const LOOK_AGAIN_MS = 250;
/** Nobody has signed it: it may be no text of whoever is between. */
const DELIVERY_ID = /^[\w.:-]{1,200}$/;

export const hooksRoutes = new Hono<AppEnv>().post("/hooks/:name", postHook).all("/hooks/:name", () => {
  throw methodNotAllowed("POST");
});

async function postHook(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const request = c.req.raw;
  const name = c.req.param("name") ?? "";
  const hook = Object.hasOwn(deps.config.hooks, name) ? deps.config.hooks[name] : undefined;
  if (hook === undefined)
    throw new Problem(
      "not_found",
      "There is no hook with this name. Its owner must add it to `hooks` in src/config.ts.",
    );
  logFields.caller = "hook";
  logFields.hook = name;
  const address = addressOf(request);
  if (address !== null) await assertWithinRateLimit(deps, `address:${address}`);
  const scheme = schemeOf(hook);
  const raw = await deps.receive(request, MAX_BODY_BYTES);
  const secrets = hookSecrets(scheme, hook.secret_name, deps.secretOf(hook.secret_name));
  const delivery: WebhookRequest = { raw, headers: request.headers, url: request.url, now: deps.now(), secrets };
  const verified = await scheme.verify(delivery);
  if ("rejected" in verified) throw badSignature(verified.rejected);
  logFields.secret = verified.secret;
  const deliveryId = scheme.unsignedId?.(request.headers) ?? "";
  if (DELIVERY_ID.test(deliveryId)) logFields.delivery_id = deliveryId;

  const payload = scheme.parse(raw, request.headers) as unknown;
  const handshake = scheme.handshake?.(payload, request.headers) ?? null;
  if (handshake !== null) return reply(handshake);
  const answered = (result: HookResult): Response => reply(scheme.acknowledge(result, payload));
  if (!hook.bots && scheme.isBot(payload)) {
    logFields.reason = "made by a bot";
    return answered({ status: "ignored" });
  }
  const caller = await callerOf(deps, name, hook);
  const asked = await jobSpecOf({ name, hook, caller, payload, origin: new URL(request.url).origin }, deps.config);
  if (asked === null) {
    logFields.reason = "input gave null";
    return answered({ status: "ignored" });
  }
  // What can't be asked is said now, not by a job that fails.
  compose(asked.ask, deps.config);
  assertNotPaused(deps);
  const waitUntil = (work: Promise<unknown>): void => c.executionCtx.waitUntil(work);
  await assertWithinRateLimit(deps, `owner:${caller.owner}`);
  await deps.budgets.admit(caller.budgets);
  deps.budgets.count(caller.budgets, { requests: 1 }, waitUntil);
  const job = await jobOf(deps, name, scheme, payload, delivery);
  logFields.job = job;
  const { accepted, instance } = await deps.jobs.accept(job, asked);
  if (hook.respond !== "sync") return answered({ status: accepted ? "accepted" : "duplicate", job });
  if (accepted) {
    const tried = answerJob({ ...deps, ...deps.forJobs }, () => deps.jobs.record(job), { job, instance }, waitUntil);
    // A sender who leaves would end the call, paid and unrecorded; this way it is told the answer when it sends the event again.
    waitUntil(tried.catch(() => undefined));
    const { outcome } = await tried;
    if (outcome !== undefined && "answer" in outcome)
      return reply(await hookReply(hook, asked, { answer: outcome.answer, error: null }));
    // With its status, so that the sender tries again: a failed job then runs anew.
    if (outcome !== undefined) throw outcome.problem;
  }
  return reply(await repeated(deps, hook, job));
}

/** The same delivery is the same job: by what names it among what is signed, else by the body itself. */
async function jobOf(
  deps: Deps,
  name: string,
  scheme: Scheme,
  payload: unknown,
  delivery: WebhookRequest,
): Promise<string> {
  const id = scheme.signedId(payload, delivery);
  if (id !== null) return `job_${await deriveDigest(deps.idKeys, "job", `${name}\0id\0${id}`)}`;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", delivery.raw));
  return `job_${await deriveDigest(deps.idKeys, "job", `${name}\0body\0${digest.join()}`)}`;
}

async function callerOf(deps: Deps, name: string, hook: Hook): Promise<Caller> {
  const { requests_per_minute, tokens_per_day, usd_per_day } = hook;
  const limits = {
    ...(requests_per_minute === undefined ? {} : { requests_per_minute }),
    ...(tokens_per_day === undefined ? {} : { tokens_per_day }),
    ...(usd_per_day === undefined ? {} : { usd_per_day }),
  };
  return {
    kind: "hook",
    owner: await ownerOf(deps.idKeys, `hook:${name}`),
    grant: { presets: [hook.preset] },
    budgets: [{ name: `hook:${name}`, whose: "owner", limits }],
  };
}

/** For the twin of an event whose sender waits: the same answer, as soon as it is there. @throws Problem */
async function repeated(deps: Deps, hook: Hook, job: string): Promise<Reply> {
  for (let waited = 0; waited <= TWIN_WAITS_MS; waited += LOOK_AGAIN_MS) {
    const done = await deps.jobs.outcome(job);
    if (done?.outcome.answer != null) return await hookReply(hook, done.order, done.outcome);
    if (done !== null) break;
    await deps.sleep(LOOK_AGAIN_MS);
  }
  // Not a duplicate that is done with: nobody else would ever tell the sender.
  throw new Problem(
    "unavailable",
    "This event is still being answered, or failed just now. Send it again in a moment.",
    {
      retryAfter: 10,
    },
  );
}

function badSignature(reason: string): Problem {
  return new Problem(
    "invalid_credentials",
    "The signature of this delivery is not good, or its time is more than five minutes off. Check that sender and Worker have the same secret.",
    { reason, unchallenged: true },
  );
}

function reply({ status, headers, body }: Reply): Response {
  return new Response(body, { status, headers: { ...headers, "cache-control": "no-store" } });
}
