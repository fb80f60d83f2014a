// Turns an event into a job spec, and an answer into the response to the sender: the two places where a hook's own code runs in a request.
// The question that `input` returns may copy from the payload, so it is restricted to the hook's preset, as for any restricted caller.
import type { Caller } from "../core/callers/caller.ts";
import type { Config, Hook, HookOutcome, HookOutput, HookQuestion, Payload } from "../core/config/define-config.ts";
import type { JobOutcome, JobSpec } from "../core/jobs/job.ts";
import { assertSafeJson, isRecord, JSON_LIMITS } from "../core/lib/json.ts";
import { restrictAsk } from "../core/request/restrict.ts";
import { errorNameOf, Problem } from "../core/lib/problem.ts";
import { parseFields } from "../core/lib/parse-fields.ts";
import { parseAsk } from "../core/request/read-ask.ts";
import { Ask } from "../contract/ask.ts";
import { misconfigured } from "../core/config/setting.ts";
import type { HookResponse } from "./sender.ts";

/** A verified event of one hook. */
export interface HookEvent {
  /** Name of the hook. */
  name: string;
  hook: Hook;
  /** The hook as a caller: its owner, grant and budgets. */
  caller: Caller;
  payload: unknown;
  /** Origin at which this Worker received the event. */
  origin: string;
}

/**
 * Creates the job spec for an event.
 * @returns null if the hook's `input` ignores the event
 * @throws Problem 503 misconfigured if `input` fails or returns an invalid request; 413 payload_too_large if the question is too large
 */
export async function jobSpecOf(
  { name, hook, caller, payload, origin }: HookEvent,
  config: Config,
): Promise<JobSpec | null> {
  const question = await questionOf(name, hook, payload);
  if (question === null) return null;
  const { ask, metadata } = restrictQuestion(name, question, caller, hook, config);
  return {
    hook: name,
    caller,
    ask,
    metadata: metadata ?? {},
    callback: hook.callback ?? null,
    payload,
    origin,
    sync: hook.respond === "sync",
  };
}

/** Returns the result of the hook's `input`, or the payload as JSON if the hook has no `input`. */
async function questionOf(name: string, hook: Hook, payload: Payload): Promise<HookQuestion> {
  if (hook.input === undefined) return JSON.stringify(payload);
  try {
    return await hook.input({ payload });
  } catch (error) {
    // The error's message may quote the event, so only the error's name is shown.
    throw misconfigured(inputSetting(name), `failed on this event (${errorNameOf(error)})`, { cause: error });
  }
}

/**
 * Validates a question, and restricts it to the hook's grant.
 * @param question the result of `input`. It can be of any type, because nothing enforces its type at run time
 * @throws Problem 503 misconfigured if the question is not a valid request; 413 payload_too_large
 */
function restrictQuestion(
  name: string,
  question: unknown,
  caller: Caller,
  hook: Hook,
  config: Config,
): ReturnType<typeof restrictAsk> {
  const fields = typeof question === "string" ? { input: question } : question;
  if (!isRecord(fields)) throw misconfigured(inputSetting(name), "must return a string, a body of /ask, or null");
  try {
    assertSafeJson(fields, JSON_LIMITS.hook);
    const ask = parseAsk({ ...fields }, (value) => parseFields(Ask, value));
    const { stream: _, ...request } = ask;
    // The size limit applies to the question only. The event may be far larger.
    const bytes = new TextEncoder().encode(JSON.stringify(request)).length;
    return restrictAsk(
      { ...request, preset: ask.preset ?? hook.preset },
      bytes,
      caller.grant ?? { presets: [hook.preset] },
      config,
    );
  } catch (error) {
    if (!(error instanceof Problem) || error.code === "payload_too_large") throw error;
    throw misconfigured(inputSetting(name), `returned an invalid request: ${error.message.replace(/\.$/, "")}`);
  }
}

/**
 * Creates the response to a sender that waits for the answer (`respond: "sync"`). The body is the `body` that `output` returns, or the
 * answer if the hook has no `output`.
 * @throws Problem 503 misconfigured if `output` fails or returns no `body`
 */
export async function answerResponse(
  hook: Hook,
  { hook: name, payload, metadata }: JobSpec,
  outcome: JobOutcome,
): Promise<HookResponse> {
  const body =
    hook.output === undefined
      ? outcome.answer
      : await outputBody(`hooks.${name}.output (src/config.ts)`, hook.output, { payload, metadata, ...outcome });
  const isText = typeof body === "string";
  return {
    status: 200,
    headers: { "content-type": isText ? "text/plain; charset=utf-8" : "application/json" },
    body: isText ? body : JSON.stringify(body),
  };
}

async function outputBody(setting: string, output: HookOutput, outcome: HookOutcome): Promise<unknown> {
  let request: unknown;
  try {
    request = await output(outcome);
  } catch (error) {
    throw misconfigured(setting, `failed on this answer (${errorNameOf(error)})`, { cause: error });
  }
  if (isRecord(request) && request["body"] !== undefined) return request["body"];
  throw misconfigured(setting, "must return { body }");
}

const inputSetting = (name: string): string => `hooks.${name}.input (src/config.ts)`;
