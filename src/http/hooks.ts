// POST /hooks/{name}: a signed event in, and at once an acknowledgement; its answer is made afterwards, by a job. Nothing of an event is
// read, counted or told before its signature is known to be good.
import { type Context, Hono } from "hono";
import { assertNotPaused } from "../answer/answer.ts";
import { runJob } from "../answer/run-job.ts";
import type { AppEnv } from "../app-env.ts";
import { compose } from "../core/compose.ts";
import { hookReply, orderOf } from "../core/hook-event.ts";
import type { Hook } from "../core/define-config.ts";
import { deriveDigest, ownerOf } from "../core/ids.ts";
import type { JobOrder, JobOutcome } from "../core/job.ts";
import { methodNotAllowed, Problem } from "../core/problem.ts";
import { type Delivery, hookSecrets, type HookResult, type Reply, type Scheme } from "../core/webhook.ts";
import type { Caller, Deps } from "../deps.ts";
import { addressOf } from "../gate/address.ts";
import { shielded } from "../gate/admit.ts";
import { schemeOf } from "../hooks/schemes.ts";

const MAX_BODY_BYTES = 1_048_576;
/** Nobody has signed it: it may be no text of whoever is between. */
const DELIVERY_ID = /^[\w.:-]{1,200}$/;

export const hooksRoutes = new Hono<AppEnv>().post("/hooks/:name", postHook).all("/hooks/:name", () => {
  throw methodNotAllowed("POST");
});

async function postHook(c: Context<AppEnv>): Promise<Response> {
  const { deps, facts } = c.var;
  const request = c.req.raw;
  const name = c.req.param("name") ?? "";
  const hook = Object.hasOwn(deps.config.hooks, name) ? deps.config.hooks[name] : undefined;
  if (hook === undefined)
    throw new Problem("not_found", "There is no hook with this name. Its owner must add it to `hooks` in src/config.ts.");
  facts.caller = "hook";
  facts.hook = name;
  const address = addressOf(request);
  if (address !== null) await shielded(deps, `address:${address}`);
  const scheme = schemeOf(hook);
  const raw = await deps.receive(request, MAX_BODY_BYTES);
  const secrets = hookSecrets(scheme, hook.secret_name, deps.secretOf(hook.secret_name));
  const delivery: Delivery = { raw, headers: request.headers, url: request.url, now: deps.now(), secrets };
  const verified = await scheme.verify(delivery);
  if ("refused" in verified) throw badSignature(verified.refused);
  facts.secret = verified.secret;
  const deliveryId = scheme.unsignedId?.(request.headers) ?? "";
  if (DELIVERY_ID.test(deliveryId)) facts.delivery_id = deliveryId;

  const payload = scheme.parse(raw, request.headers) as unknown;
  const handshake = scheme.handshake?.(payload, request.headers) ?? null;
  if (handshake !== null) return reply(handshake);
  const answered = (result: HookResult): Response => reply(scheme.acknowledge(result, payload));
  if (!hook.bots && scheme.isBot(payload)) {
    facts.reason = "made by a bot";
    return answered({ status: "ignored" });
  }
  const caller = await callerOf(deps, name, hook);
  const asked = await orderOf({ name, hook, caller, payload, origin: new URL(request.url).origin }, deps.config);
  if (asked === null) {
    facts.reason = "input gave null";
    return answered({ status: "ignored" });
  }
  // What can't be asked is said now, not by a job that fails.
  compose(asked.ask, deps.config);
  assertNotPaused(deps);
  const later = (work: Promise<unknown>): void => c.executionCtx.waitUntil(work);
  await shielded(deps, `owner:${caller.owner}`);
  await deps.budgets.admit(caller.budgets);
  deps.budgets.count(caller.budgets, { requests: 1 }, later);
  const job = await jobOf(deps, name, scheme, payload, delivery);
  facts.job = job;
  const { accepted, run } = await deps.jobs.accept(job, asked);
  if (hook.respond === "sync") return await waited(deps, hook, { job, run, accepted, order: asked, answered, later });
  return answered({ status: accepted ? "accepted" : "duplicate", job });
}

/** The same delivery is the same job: by what names it among what is signed, else by the body itself. */
async function jobOf(deps: Deps, name: string, scheme: Scheme, payload: unknown, delivery: Delivery): Promise<string> {
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

/** `respond: "sync"`: the sender waits. A repeat of what was answered gets the same answer; of what is under way, that it is a duplicate. */
async function waited(
  deps: Deps,
  hook: Hook,
  {
    job,
    run,
    accepted,
    order,
    answered,
    later,
  }: {
    job: string;
    run: number;
    accepted: boolean;
    order: JobOrder;
    answered: (result: HookResult) => Response;
    later: (work: Promise<unknown>) => void;
  },
): Promise<Response> {
  if (!accepted) {
    const before = await deps.jobs.outcome(job);
    if (before === null) return answered({ status: "duplicate", job });
    return reply(await hookReply(hook, before.order, before.outcome));
  }
  const tried = runJob({ ...deps, ...deps.forJobs }, deps.jobs.record(job), { job, run, attempt: 1, lastTry: true });
  // A sender who leaves would end the call, paid and unrecorded; this way it is told the answer when it sends the event again.
  later(tried.catch(() => undefined));
  const { outcome } = await tried;
  if (outcome === undefined) return answered({ status: "duplicate", job });
  // With its status, so that the sender tries again: a failed job then runs anew.
  if ("problem" in outcome) throw outcome.problem;
  return reply(await hookReply(hook, order, { answer: outcome.answer, error: null } satisfies JobOutcome));
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
