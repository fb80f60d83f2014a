// From an event to a job's order, and from an answer to a reply: the two places where a hook's own code runs. What that code gives is held
// to the hook's preset like any locked caller's request, since it copies from payloads.
import type { Caller } from "../core/callers/caller.ts";
import type { Config, Hook, HookOutput, HookQuestion, Payload } from "../core/config/define-config.ts";
import type { JobSpec, JobOutcome } from "../core/jobs/job.ts";
import { assertSafe, isRecord } from "../core/lib/json.ts";
import { restrictAsk } from "../core/request/restrict.ts";
import { Problem } from "../core/lib/problem.ts";
import { parseWhole } from "../core/lib/parse-fields.ts";
import { parseAsk } from "../core/request/read-ask.ts";
import { Ask } from "../contract/ask.ts";
import { misconfigured } from "../core/config/setting.ts";
import type { Reply } from "./scheme.ts";

export interface HookEvent {
  /** The hook's. */
  name: string;
  hook: Hook;
  caller: Caller;
  payload: unknown;
  /** Where this Worker was reached. */
  origin: string;
}

/** Null where the hook's `input` ignores the event. @throws Problem misconfigured where it gives nothing that can be asked; 413 */
export async function jobSpecOf(
  { name, hook, caller, payload, origin }: HookEvent,
  config: Config,
): Promise<JobSpec | null> {
  const wish = await wished(name, hook, payload);
  if (wish === null) return null;
  const { ask, metadata } = locked(name, wish, caller, hook, config);
  const callback = hook.callback ?? null;
  return {
    hook: name,
    caller,
    ask,
    metadata: metadata ?? {},
    callback,
    payload,
    origin,
    sync: hook.respond === "sync",
  };
}

/** Without `input` the event itself is asked about. */
async function wished(name: string, hook: Hook, payload: Payload): Promise<HookQuestion> {
  if (hook.input === undefined) return JSON.stringify(payload);
  try {
    return await hook.input({ payload });
  } catch (error) {
    throw misconfigured(
      `hooks.${name}.input (src/config.ts)`,
      `has failed on this event (${error instanceof Error ? error.name : typeof error})`,
    );
  }
}

function locked(
  name: string,
  wish: unknown,
  caller: Caller,
  hook: Hook,
  config: Config,
): ReturnType<typeof restrictAsk> {
  const fields = typeof wish === "string" ? { input: wish } : wish;
  if (!isRecord(fields))
    throw misconfigured(`hooks.${name}.input (src/config.ts)`, "must give a text, a body of /ask, or null");
  try {
    assertSafe(fields);
    const ask = parseAsk({ ...fields }, (made) => parseWhole(Ask, made));
    const { stream: _, ...asked } = ask;
    // Of what is asked: an event may be far larger than the question in it.
    const bytes = new TextEncoder().encode(JSON.stringify(asked)).length;
    return restrictAsk(
      { ...asked, preset: ask.preset ?? hook.preset },
      bytes,
      caller.grant ?? { presets: [hook.preset] },
      config,
    );
  } catch (error) {
    if (!(error instanceof Problem) || error.code === "payload_too_large") throw error;
    throw misconfigured(
      `hooks.${name}.input (src/config.ts)`,
      `gave what can't be asked: ${error.message.replace(/\.$/, "")}`,
    );
  }
}

/** What a sender who waits gets: the body that `output` makes, else the trimmed answer. @throws Problem misconfigured */
export async function hookReply(
  hook: Hook,
  { hook: name, payload, metadata }: JobSpec,
  outcome: JobOutcome,
): Promise<Reply> {
  const body =
    hook.output === undefined
      ? outcome.answer
      : await shapedBody(`hooks.${name}.output (src/config.ts)`, hook.output, { payload, metadata, ...outcome });
  const isText = typeof body === "string";
  return {
    status: 200,
    headers: { "content-type": isText ? "text/plain; charset=utf-8" : "application/json" },
    body: isText ? body : JSON.stringify(body),
  };
}

async function shapedBody(setting: string, output: HookOutput, outcome: Parameters<HookOutput>[0]): Promise<unknown> {
  let made: unknown;
  try {
    made = await output(outcome);
  } catch (error) {
    throw misconfigured(setting, `has failed on this answer (${error instanceof Error ? error.name : typeof error})`);
  }
  if (isRecord(made) && made["body"] !== undefined) return made["body"];
  throw misconfigured(setting, "must give { body }");
}
