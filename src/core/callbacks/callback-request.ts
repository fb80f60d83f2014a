// Builds one callback as a plain request, from an entry of the config's `callbacks` and the outcome of a job. Builds the headers from
// scratch, and validates the value that the hook's `output` returned, because it may contain text from a webhook's sender.
import { authHeaderName, authHeaders, type SecretOf } from "./auth.ts";
import { readOutputHeaders } from "./headers.ts";
import { callbackUrl, type UrlPolicy } from "./url.ts";
import type { Callback, CallbackRequest } from "../config/config-schema.ts";
import { isRecord } from "../lib/json.ts";
import type { Problem } from "../lib/problem.ts";
import { misconfigured } from "../config/setting.ts";
import { eventBody, eventHeaders, type JobEvent } from "./standard-webhooks.ts";

/** The content that a callback delivers. It is the same on every attempt. */
export interface CallbackContent {
  event: JobEvent;
  /** The value that the hook's `output` returned. Absent if the hook has no `output`; then the event has the Standard Webhooks format. */
  output?: { returned: CallbackRequest } | undefined;
}

export interface PlainRequest {
  url: URL;
  method: string;
  /** The headers, with their names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
}

const METHODS: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/**
 * Builds the request of one attempt to deliver.
 * @param name the name of the entry
 * @param now the time of this attempt, in milliseconds since 1970
 * @throws Problem 503 misconfigured if the config, a secret or `output` is wrong, in which case another attempt would fail, too
 */
export async function callbackRequest(
  name: string,
  callback: Callback,
  { event, output }: CallbackContent,
  secretOf: SecretOf,
  now: number,
  policy: UrlPolicy,
): Promise<PlainRequest> {
  const setting = `${event.hook === null ? "" : `hooks.${event.hook}.`}output (src/config.ts)`;
  const invalidOutput = (what: string): Problem => misconfigured(setting, what);
  const shape = output === undefined ? undefined : readOutput(output.returned, invalidOutput);
  const url = callbackUrl(callback.url, shape?.path, policy, `callbacks.${name}.url (src/config.ts)`, setting);
  const { body, type } = bodyOf(shape === undefined ? eventBody(event) : shape.body, invalidOutput);
  const headers = {
    "content-type": type,
    "user-agent": "uniapi-edge",
    ...readOutputHeaders(shape?.headers, authHeaderName(callback.auth), invalidOutput),
    // Sent even without `auth`, so that a receiver can recognize duplicates.
    ...(shape === undefined ? eventHeaders(event.id, now) : {}),
    ...(await authHeaders(callback.auth, secretOf, { id: event.id, now, body })),
  };
  return { url, method: shape?.method ?? "POST", headers, body };
}

interface OutputShape {
  path: string | undefined;
  method: string;
  headers: unknown;
  body: unknown;
}

/** Validates the value that `output` returned. @param returned may have any type, since TypeScript's types don't exist at run time */
function readOutput(returned: unknown, invalidOutput: (what: string) => Problem): OutputShape {
  if (!isRecord(returned)) throw invalidOutput("must return { path?, method?, headers?, body }");
  const { path, method = "POST" } = returned;
  if (path !== undefined && typeof path !== "string") throw invalidOutput("returned a path that is not a string");
  const upperMethod = typeof method === "string" ? method.toUpperCase() : "";
  if (!METHODS.has(upperMethod)) throw invalidOutput("returned a method other than POST, PUT and PATCH");
  return { path, method: upperMethod, headers: returned["headers"], body: returned["body"] };
}

function bodyOf(
  content: unknown,
  invalidOutput: (what: string) => Problem,
): { body: Uint8Array<ArrayBuffer>; type: string } {
  if (typeof content === "string") return { body: bytesOf(content), type: "text/plain;charset=UTF-8" };
  let text: string | undefined;
  try {
    text = JSON.stringify(content) as string | undefined;
  } catch {
    throw invalidOutput("returned a body that can't be converted to JSON");
  }
  // JSON.stringify returns undefined for undefined and for a function.
  if (text === undefined) throw invalidOutput("returned no body");
  return { body: bytesOf(text), type: "application/json" };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}
