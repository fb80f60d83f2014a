// One callback as a plain request: an entry of the config's callbacks and what happened to a job in; url, method, headers, bytes out.
// Headers are built from nothing, and what the config's `output` made is checked: it may hold words of a webhook's sender.
import { authHeaderName, authHeaders, type SecretOf } from "./auth.ts";
import { givenHeaders } from "./headers.ts";
import { callbackUrl, type UrlPolicy } from "./url.ts";
import type { Callback, CallbackRequest } from "../config/config-schema.ts";
import { isRecord } from "../lib/json.ts";
import type { Problem } from "../lib/problem.ts";
import { misconfigured } from "../config/setting.ts";
import { eventBody, eventHeaders, type JobEvent } from "./standard-webhooks.ts";

/** One thing to tell, the same on every attempt. */
export interface CallbackContent {
  event: JobEvent;
  /** What the hook's `output` gave, which may be nothing by mistake. Absent where it has none: then the form of Standard Webhooks. */
  output?: { gave: CallbackRequest } | undefined;
}

export interface PlainRequest {
  url: URL;
  method: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
}

const METHODS: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/**
 * @param name of the entry @param secretOf secrets by name @param now of this attempt, in milliseconds since 1970
 * @throws Problem misconfigured: the config or a secret is wrong, and another try would change nothing
 */
export async function callbackRequest(
  name: string,
  callback: Callback,
  { event, output }: CallbackContent,
  secretOf: SecretOf,
  now: number,
  reach: UrlPolicy,
): Promise<PlainRequest> {
  const setting = `${event.hook === null ? "" : `hooks.${event.hook}.`}output (src/config.ts)`;
  const wrong = (what: string): Problem => misconfigured(setting, what);
  const shaped = output === undefined ? undefined : readShaped(output.gave, wrong);
  const url = callbackUrl(callback.url, shaped?.path, reach, `callbacks.${name}.url (src/config.ts)`, setting);
  const { body, type } = bodyOf(shaped === undefined ? eventBody(event) : shaped.body, wrong);
  const headers = {
    "content-type": type,
    "user-agent": "uniapi-edge",
    ...givenHeaders(shaped?.headers, authHeaderName(callback.auth), wrong),
    // Unsigned too, an event has the id that tells doubles.
    ...(shaped === undefined ? eventHeaders(event.id, now) : {}),
    ...(await authHeaders(callback.auth, secretOf, { id: event.id, now, body })),
  };
  return { url, method: shaped?.method ?? "POST", headers, body };
}

interface Shaped {
  path: string | undefined;
  method: string;
  headers: unknown;
  body: unknown;
}

/** Read as if it had no type: it is what the deployer's code made of somebody's event. */
function readShaped(gave: unknown, wrong: (what: string) => Problem): Shaped {
  if (!isRecord(gave)) throw wrong("must give { path?, method?, headers?, body }");
  const { path, method = "POST" } = gave;
  if (path !== undefined && typeof path !== "string") throw wrong("gave a path that is no string");
  const upper = typeof method === "string" ? method.toUpperCase() : "";
  if (!METHODS.has(upper)) throw wrong("gave a method that is none of POST, PUT, PATCH");
  return { path, method: upper, headers: gave["headers"], body: gave["body"] };
}

function bodyOf(content: unknown, wrong: (what: string) => Problem): { body: Uint8Array<ArrayBuffer>; type: string } {
  if (typeof content === "string") return { body: bytesOf(content), type: "text/plain;charset=UTF-8" };
  let text: string | undefined;
  try {
    text = JSON.stringify(content) as string | undefined;
  } catch {
    throw wrong("gave a body that can't be written as JSON");
  }
  // As it is for undefined and functions.
  if (text === undefined) throw wrong("gave no body");
  return { body: bytesOf(text), type: "application/json" };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}
