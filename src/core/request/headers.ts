// Headers of a request that change how it is answered: Cache-Control, Idempotency-Key, Last-Event-ID and Accept.
import { isRecord, parseJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { streamLost } from "./run.ts";

/** The directives of Cache-Control that have a meaning here (RFC 9111 section 5.2.1). */
export interface CacheControl {
  noStore: boolean;
  /** Also for `max-age=0`. */
  noCache: boolean;
  /** Seconds. */
  maxAge: number | undefined;
}

/** Ignores every other directive, and a `max-age` that is not a number of up to ten digits. */
export function readCacheControl(header: string | null): CacheControl {
  const control: CacheControl = { noStore: false, noCache: false, maxAge: undefined };
  for (const directive of (header ?? "").toLowerCase().split(",")) {
    const [name, value] = directive.trim().split("=");
    if (name === "no-store") control.noStore = true;
    if (name === "no-cache") control.noCache = true;
    if (name === "max-age" && value !== undefined && /^"?\d{1,10}"?$/.test(value))
      control.maxAge = Number(value.replaceAll('"', ""));
  }
  if (control.maxAge === 0) control.noCache = true;
  return control;
}

/** The value of `Idempotency-Key`; undefined if the request has none. @throws Problem 400 invalid_request */
export function readIdempotencyKey(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null || /^[\x20-\x7e]{1,255}$/.test(key)) return key ?? undefined;
  throw new Problem(
    "invalid_request",
    "The header `Idempotency-Key` must have 1 to 255 printable ASCII characters. Use a new UUID.",
    {
      param: "Idempotency-Key",
    },
  );
}

/**
 * The event after which to resume a stream; undefined if the request has no `Last-Event-ID`.
 * @throws Problem 409 stream_lost for an id that is not ours
 */
export function readLastEventId(headers: Headers): { run: string; n: number } | undefined {
  const id = headers.get("last-event-id");
  if (id === null || id === "") return undefined;
  const [, run, n] = /^([0-9a-f]{1,64})-(\d{1,9})$/.exec(id) ?? [];
  if (run === undefined) throw streamLost();
  return { run, n: Number(n) };
}

/**
 * Whether a request resumes a stream without its question: it has both headers, and a body that is empty or only `stream: true`. A
 * reloaded page has lost the question but not the ids.
 */
export function isBodilessResume(headers: Headers, text: string): boolean {
  if (!headers.has("idempotency-key") || !headers.has("last-event-id")) return false;
  const body = text.trim() === "" ? {} : parseJson(text);
  return isRecord(body) && Object.entries(body).every(([name, value]) => name === "stream" && value === true);
}

/**
 * The preferred form of the answer: the media type with the highest q, the first among equals, or JSON if the header names none that the
 * Worker supports. `stream` in the body wins over `events`.
 */
export function readAccept(accept: string | null): { form: "json" | "text"; events: boolean } {
  let best = { type: "application/json", q: 0 };
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (type !== "application/json" && type !== "text/event-stream" && type !== "text/plain") continue;
    const q = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1");
    if (q > best.q) best = { type, q };
  }
  return { form: best.type === "text/plain" ? "text" : "json", events: best.type === "text/event-stream" };
}
