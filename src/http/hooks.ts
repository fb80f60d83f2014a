// POST /hooks/{name}: verifies a signed event, records a job for the event, and acknowledges it immediately, or waits for the answer with
// `respond: "sync"`. No part of an event is parsed, counted or logged before its signature is verified.
import { type Context, Hono } from "hono";
import { assertNotPaused } from "../answer/answer.ts";
import type { AppEnv } from "../app-env.ts";
import type { HookResult } from "../contract/job.ts";
import type { Hook } from "../core/config/define-config.ts";
import type { JobSpec } from "../core/jobs/job.ts";
import { Problem } from "../core/lib/problem.ts";
import { compose } from "../core/request/compose.ts";
import type { Caller, Deps } from "../deps.ts";
import { assertWithinRateLimit } from "../gate/admit.ts";
import { addressOf } from "../gate/authenticate.ts";
import { answerResponse, jobSpecOf } from "../hooks/hook-event.ts";
import { type HookResponse, hookSecrets, type Sender, type WebhookRequest } from "../hooks/sender.ts";
import { senderOf } from "../hooks/senders.ts";
import { answerJob } from "../jobs/answer-job.ts";
import { deriveDigest, ownerOf } from "../core/callers/owner.ts";

const MAX_BODY_BYTES = 1_048_576;
/** How long a request with a repeated event waits for the answer that the first request started. */
const REPEAT_WAIT_MS = 20_000;
const REPEAT_POLL_MS = 250;
/** The delivery id in the header is unsigned, so it is logged only if it matches this pattern. */
const DELIVERY_ID = /^[\w.:-]{1,200}$/;

export const hooksRoutes = new Hono<AppEnv>().post("/:name", postHook);

async function postHook(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields, waitUntil } = c.var;
  const name = c.req.param("name") ?? "";
  const hook = Object.hasOwn(deps.config.hooks, name) ? deps.config.hooks[name] : undefined;
  if (hook === undefined)
    throw new Problem(
      "not_found",
      "There is no hook with this name. Check the URL, or add the hook to `hooks` in src/config.ts.",
    );
  logFields.caller = "hook";
  logFields.hook = name;
  const address = addressOf(c.req.raw);
  if (address !== null) await assertWithinRateLimit(deps, `address:${address}`);

  const sender = senderOf(hook);
  const request = await verifiedRequest(c, sender, hook);
  const payload: unknown = sender.parse(request.raw, request.headers);
  const handshake = sender.handshake?.(payload, request.headers) ?? null;
  if (handshake !== null) return toResponse(handshake);
  const acknowledge = (result: HookResult): Response => toResponse(sender.acknowledge(result, payload));
  if (!hook.bots && sender.isBot(payload)) {
    logFields.reason = "made by a bot";
    return acknowledge({ status: "ignored" });
  }

  const caller = await callerOf(deps, name, hook);
  const spec = await jobSpecOf({ name, hook, caller, payload, origin: new URL(request.url).origin }, deps.config);
  if (spec === null) {
    logFields.reason = "input returned null";
    return acknowledge({ status: "ignored" });
  }
  // An invalid request fails here rather than as a job.
  compose(spec.ask, deps.config);
  assertNotPaused(deps);
  await assertWithinRateLimit(deps, `owner:${caller.owner}`);
  await deps.budgets.admit(caller.budgets);
  deps.budgets.count(caller.budgets, { requests: 1 }, waitUntil);

  const job = await jobIdOf(deps, name, sender, payload, request);
  logFields.job = job;
  const { accepted, instance } = await deps.jobs.accept(job, spec);
  if (hook.respond !== "sync") return acknowledge({ status: accepted ? "accepted" : "duplicate", job });
  const response = accepted ? await answerNow(c, hook, spec, { job, instance }) : undefined;
  return toResponse(response ?? (await awaitAnswer(deps, hook, job)));
}

/** Reads a request and verifies its signature. @throws Problem 401 invalid_credentials, 503 misconfigured; 408, 413, 415 for its body */
async function verifiedRequest(c: Context<AppEnv>, sender: Sender, hook: Hook): Promise<WebhookRequest> {
  const { deps, logFields } = c.var;
  const { headers, url } = c.req.raw;
  const raw = await deps.receive(c.req.raw, MAX_BODY_BYTES);
  const secrets = hookSecrets(sender, hook.secret_name, deps.secretOf(hook.secret_name));
  const request: WebhookRequest = { raw, headers, url, now: deps.now(), secrets };
  const verification = await sender.verify(request, hook);
  if ("rejected" in verification)
    throw new Problem(
      "invalid_credentials",
      "The signature of this event is wrong, or its time is more than five minutes off. Check that sender and Worker have the same secret.",
      { reason: verification.rejected, omitChallenge: true },
    );
  logFields.secret = verification.secret;
  const deliveryId = sender.unsignedId?.(headers, hook) ?? "";
  if (DELIVERY_ID.test(deliveryId)) logFields.delivery_id = deliveryId;
  return request;
}

/** Derives a job id that is the same for the same event: from the signed id, or from the body if the sender signs no id. */
async function jobIdOf(
  { idKeys }: Deps,
  name: string,
  sender: Sender,
  payload: unknown,
  request: WebhookRequest,
): Promise<string> {
  const id = sender.signedId(payload, request);
  if (id !== null) return `job_${await deriveDigest(idKeys, "job", `${name}\0id\0${id}`)}`;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", request.raw));
  return `job_${await deriveDigest(idKeys, "job", `${name}\0body\0${digest.join()}`)}`;
}

async function callerOf({ idKeys }: Deps, name: string, hook: Hook): Promise<Caller> {
  const { requests_per_minute, tokens_per_day, usd_per_day } = hook;
  const limits = {
    ...(requests_per_minute === undefined ? {} : { requests_per_minute }),
    ...(tokens_per_day === undefined ? {} : { tokens_per_day }),
    ...(usd_per_day === undefined ? {} : { usd_per_day }),
  };
  return {
    kind: "hook",
    owner: await ownerOf(idKeys, `hook:${name}`),
    grant: { presets: [hook.preset] },
    budgets: [{ name: `hook:${name}`, whose: "owner", limits }],
  };
}

/**
 * Answers the job within this request.
 * @returns undefined if the job's record already has another outcome
 * @throws Problem with the status of the job's failure, so that the sender sends the event again and the job starts over
 */
async function answerNow(
  c: Context<AppEnv>,
  hook: Hook,
  spec: JobSpec,
  jobInstance: { job: string; instance: string },
): Promise<HookResponse | undefined> {
  const { deps, waitUntil } = c.var;
  const attempt = answerJob(deps.forJobs(), () => deps.jobs.record(jobInstance.job), jobInstance, waitUntil);
  // A sender that disconnects must not end a paid call. The answer is recorded, and the sender gets it by repeating the event.
  waitUntil(attempt.catch(() => undefined));
  const { outcome } = await attempt;
  if (outcome === undefined) return undefined;
  if ("problem" in outcome) throw outcome.problem;
  return await answerResponse(hook, spec, { answer: outcome.answer, error: null });
}

/**
 * Waits for the recorded answer when a sync sender repeats an event.
 * @throws Problem 503 unavailable, with Retry-After. After a 200 `duplicate`, the sender would neither repeat the event nor get the answer
 */
async function awaitAnswer(deps: Deps, hook: Hook, job: string): Promise<HookResponse> {
  for (let waited = 0; waited <= REPEAT_WAIT_MS; waited += REPEAT_POLL_MS) {
    const done = await deps.jobs.readOutcome(job);
    if (done?.outcome.answer != null) return await answerResponse(hook, done.spec, done.outcome);
    if (done !== null) break;
    await deps.sleep(REPEAT_POLL_MS);
  }
  throw new Problem(
    "unavailable",
    "This event is still being answered, or has just failed. Send it again in a moment.",
    { retryAfter: 10 },
  );
}

function toResponse({ status, headers, body }: HookResponse): Response {
  return new Response(body, { status, headers: { ...headers, "cache-control": "no-store" } });
}
