// Delivers results to callbacks; each call of `send` is one attempt. An attempt sends the request that core/callbacks builds, follows no
// redirect, and reads the response body only if the body decides the outcome. The result is plain data that quotes neither the request nor
// the response body, except for Slack's error codes (core/callbacks/outcome.ts).
import { readToEnd } from "../core/lib/body.ts";
import { callbackRequest, type CallbackContent, type PlainRequest } from "../core/callbacks/callback-request.ts";
import type { SecretOf } from "../core/callbacks/auth.ts";
import { type DeliveryOutcome, deliveryOutcome, reportsErrorsInBody } from "../core/callbacks/outcome.ts";
import type { Callback } from "../core/config/config-schema.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";
import { TimeoutError, within } from "./io/within.ts";

/** Slack's errors are far shorter, so a body over this limit is not an error. */
const MAX_RESPONSE_BYTES = 65_536;

export interface CallbackSettings {
  /** The config's callbacks, by name. */
  callbacks: Record<string, Callback>;
  fetcher: typeof fetch;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Milliseconds for one attempt, including the response body if it is read. */
  timeoutMs: number;
  /** `ENVIRONMENT=local`. */
  local: boolean;
  secretOf: SecretOf;
  /** The Worker's own origins, as far as the config names them (public_url). */
  ownOrigins: readonly string[];
}

/** What the job's record and the log show of one attempt. */
export interface CallbackAttempt {
  /** When the attempt began, in milliseconds since 1970. */
  at: number;
  /** HTTP status of the response; null if there was none. */
  status: number | null;
  /** Why the attempt failed, in this Worker's words; null if it succeeded. */
  error: string | null;
  /** How long the attempt took, in milliseconds. */
  ms: number;
}

export interface CallbackResult {
  attempt: CallbackAttempt;
  outcome: DeliveryOutcome;
}

/**
 * Makes one attempt to deliver to a callback. If the receiver fails or a setting is wrong, the promise still resolves, and the result says
 * so.
 * @param name the name of the entry in the config's callbacks
 * @param ownOrigin the origin at which the Worker was called. The callback's URL may have neither this origin nor one of `ownOrigins`
 */
export type SendCallback = (name: string, content: CallbackContent, ownOrigin?: string) => Promise<CallbackResult>;

export function createCallbackSender(settings: CallbackSettings): SendCallback {
  const { callbacks, now, local, secretOf, ownOrigins } = settings;
  return async function send(name, content, ownOrigin) {
    const at = now();
    const resultOf = (status: number | null, outcome: DeliveryOutcome): CallbackResult => ({
      attempt: { at, status, error: outcome.kind === "delivered" ? null : outcome.reason, ms: now() - at },
      outcome,
    });
    let request: PlainRequest;
    try {
      const callback = Object.hasOwn(callbacks, name) ? callbacks[name] : undefined;
      if (callback === undefined) throw misconfigured(`callbacks.${name} (src/config.ts)`, "no longer exists");
      const forbidden = ownOrigin === undefined ? ownOrigins : [...ownOrigins, ownOrigin];
      request = await callbackRequest(name, callback, content, secretOf, at, { local, ownOrigins: forbidden });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return resultOf(null, { kind: "final", reason: `${error.code}: ${error.message}` });
    }
    const { status, outcome } = await post(request, settings);
    return resultOf(status, outcome);
  };
}

async function post(
  { url, method, headers, body }: PlainRequest,
  { fetcher, timeoutMs, now }: CallbackSettings,
): Promise<{ status: number | null; outcome: DeliveryOutcome }> {
  const abort = new AbortController();
  let status: number | null = null;
  async function exchange(): Promise<DeliveryOutcome> {
    const response = await fetcher(url.href, { method, headers, body, redirect: "manual", signal: abort.signal });
    ({ status } = response);
    let text: string | undefined;
    if (response.ok && reportsErrorsInBody(url)) text = await readBodyText(response);
    else response.body?.cancel().catch(() => undefined);
    return deliveryOutcome(status, response.headers, text, now());
  }
  try {
    const outcome = await within(timeoutMs, exchange());
    return { status, outcome };
  } catch (error) {
    abort.abort();
    return {
      status,
      outcome: { kind: "failed", reason: error instanceof TimeoutError ? "timed out" : "connection failed" },
    };
  }
}

/** Reads the body as text; undefined if there is none, or if it is too long to be an error. */
async function readBodyText(response: Response): Promise<string | undefined> {
  if (response.body === null) return undefined;
  const tooLong = new Problem("payload_too_large", "The receiver's answer is too long.");
  try {
    const bytes = await readToEnd(
      response.body,
      MAX_RESPONSE_BYTES,
      (read) => read,
      () => tooLong,
    );
    return new TextDecoder().decode(bytes);
  } catch (error) {
    if (error === tooLong) return undefined;
    throw error;
  }
}
