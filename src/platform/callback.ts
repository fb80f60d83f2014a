// Callbacks out, one try a call: the request of core/callback.ts sent as it is, redirects not followed, its answer read only where the
// body counts. Says what became of it as plain data; nothing that was sent, and no word of the receiver, is in there.
import { collect } from "../core/lib/body.ts";
import { callbackRequest, type CallbackContent, type PlainRequest } from "../core/callbacks/callback-request.ts";
import type { SecretOf } from "../core/callbacks/auth.ts";
import { answersInBody, type DeliveryOutcome, deliveryOutcome } from "../core/callbacks/outcome.ts";
import type { Callback } from "../core/config/config-schema.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

/** Slack's refusals are far shorter; what is longer was taken. */
const MAX_ANSWER_BYTES = 65_536;

export interface CallbackSettings {
  /** The config's, by name. */
  callbacks: Record<string, Callback>;
  fetcher: typeof fetch;
  /** Milliseconds since 1970. */
  now: () => number;
  /** For one try, in milliseconds: the headers, and what is read of the body. */
  deadline: number;
  /** `ENVIRONMENT=local`. */
  local: boolean;
  secretOf: SecretOf;
  /** Origins of the Worker that the config knows (public_url). */
  ownOrigins: readonly string[];
}

/** One try, for the record. */
export interface Attempt {
  /** When it began, in milliseconds since 1970. */
  at: number;
  status: number | null;
  /** Why it failed, in our own words. */
  error: string | null;
  /** How long it took. */
  ms: number;
}

/**
 * @param name of the entry in the config's callbacks
 * @param ownOrigin that the job came in by: never a place for callbacks, beside the settings' ones
 * @returns never throws for anything that a receiver or a setting does
 */
export type SendCallback = (
  name: string,
  delivery: CallbackContent,
  ownOrigin?: string,
) => Promise<{ attempt: Attempt; verdict: DeliveryOutcome }>;

export function callbackSender(settings: CallbackSettings): SendCallback {
  const { callbacks, now, local, secretOf, ownOrigins } = settings;
  return async function send(name, delivery, ownOrigin) {
    const at = now();
    const told = (status: number | null, verdict: DeliveryOutcome): { attempt: Attempt; verdict: DeliveryOutcome } => ({
      attempt: { at, status, error: verdict.kind === "delivered" ? null : verdict.reason, ms: now() - at },
      verdict,
    });
    let request: PlainRequest;
    try {
      const callback = Object.hasOwn(callbacks, name) ? callbacks[name] : undefined;
      if (callback === undefined) throw misconfigured(`callbacks.${name} (src/config.ts)`, "is not there any more");
      const own = ownOrigin === undefined ? ownOrigins : [...ownOrigins, ownOrigin];
      request = await callbackRequest(name, callback, delivery, secretOf, at, { local, own });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return told(null, { kind: "final", reason: `${error.code}: ${error.message}` });
    }
    const { status, verdict } = await post(request, settings);
    return told(status, verdict);
  };
}

async function post(
  request: PlainRequest,
  settings: CallbackSettings,
): Promise<{ status: number | null; verdict: DeliveryOutcome }> {
  const { url, method, headers, body } = request;
  const late = new AbortController();
  const gone = new Promise<never>((_, reject) => {
    late.signal.addEventListener("abort", () => reject(new Error("late")), { once: true });
  });
  gone.catch(() => undefined);
  const timer = setTimeout(() => late.abort(), settings.deadline);
  let status: number | null = null;
  try {
    const asked = settings.fetcher(url.href, { method, headers, body, redirect: "manual", signal: late.signal });
    const response = await Promise.race([asked, gone]);
    ({ status } = response);
    let text: string | undefined;
    if (response.ok && answersInBody(url)) text = await answerOf(response, (read) => Promise.race([read, gone]));
    else response.body?.cancel().catch(() => undefined);
    return { status, verdict: deliveryOutcome(status, response.headers, text, settings.now()) };
  } catch {
    return { status, verdict: { kind: "failed", reason: late.signal.aborted ? "timed out" : "connection failed" } };
  } finally {
    clearTimeout(timer);
  }
}

/** undefined for one that is too long to say no. */
async function answerOf(response: Response, until: <T>(read: Promise<T>) => Promise<T>): Promise<string | undefined> {
  if (response.body === null) return undefined;
  const tooLong = new Problem("payload_too_large", "The receiver's answer is too long.");
  try {
    return new TextDecoder().decode(await collect(response.body, MAX_ANSWER_BYTES, until, () => tooLong));
  } catch (error) {
    if (error === tooLong) return undefined;
    throw error;
  }
}
