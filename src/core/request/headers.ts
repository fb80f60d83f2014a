// Reads the request headers that change how a request is read and answered: Content-Type, Cache-Control, Idempotency-Key, Last-Event-ID and
// Accept.
import { isRecord, parseRoundedJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { streamLost } from "./run.ts";

export interface ContentType {
  /** The first entry of the header, with its parameters; empty if the request does not have the header. */
  value: string;
  /** The media type in lower case. */
  type: string;
  /** In lower case. */
  charset: string | undefined;
}

/** Reads Content-Type. If a client or a proxy has sent the header twice, its values arrive as a list, and the first one counts. */
export function readContentType(header: string | null): ContentType {
  const [value = ""] = /^(?:[^,"]|"(?:[^"\\]|\\.)*")*/.exec(header ?? "") ?? [];
  const [type = "", ...parameters] = value
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice("charset=".length)
    .replaceAll('"', "");
  return { value, type, charset };
}

/** Whether a media type is JSON. `text/json` is an old name that some HTTP libraries still send. */
export function isJsonType(type: string): boolean {
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

/** The directives of Cache-Control that this Worker supports (RFC 9111 §5.2.1). */
export interface CacheControl {
  noStore: boolean;
  /** Also true for `max-age=0`. */
  noCache: boolean;
  /** In seconds. */
  maxAge: number | undefined;
}

/** Reads Cache-Control. Ignores all other directives, and a `max-age` that is not a number of up to ten digits. */
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

/** Reads `Idempotency-Key`; undefined if the request does not have it. @throws Problem 400 invalid_request */
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
 * Reads `Last-Event-ID`: the event after which to resume a stream.
 * @returns the run and the number of the event; undefined if the request does not have the header
 * @throws Problem 409 stream_lost if the id was not issued by this Worker
 */
export function readLastEventId(headers: Headers): { run: string; n: number } | undefined {
  const id = headers.get("last-event-id");
  if (id === null || id === "") return undefined;
  const [, run, n] = /^([0-9a-f]{1,64})-(\d{1,9})$/.exec(id) ?? [];
  if (run === undefined) throw streamLost();
  return { run, n: Number(n) };
}

/**
 * Whether a request resumes a stream without repeating the question: it has Idempotency-Key and Last-Event-ID, and its body is empty or has
 * only `stream: true`. A reloaded page may have stored the ids but not the question.
 */
export function isBodilessResume(headers: Headers, text: string): boolean {
  if (!headers.has("idempotency-key") || !headers.has("last-event-id")) return false;
  const body = text.trim() === "" ? {} : parseRoundedJson(text);
  return isRecord(body) && Object.entries(body).every(([name, value]) => name === "stream" && value === true);
}

/**
 * Reads the preferred form of the answer from `Accept`: the supported media type with the highest q, or the first of several with the same
 * q. The default is JSON. The request's `stream` field overrides `events`.
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
