// What router and Flight say to each other, and the two headers that ask for a Flight (contract section 6). Plain data only: it passes
// from one object to another.
import { isRecord, parseJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";

/** A request that wants to hear a flight's recording. */
export interface JoinRequest {
  /** Digest of route and request: the same key with another one is refused. Undefined, only with `only`: whoever asks has lost the question. */
  fingerprint: string | undefined;
  /** The recording that is to be continued: never starts a call. */
  existingRun: string | undefined;
  /** The name of the recording, should this order start it. */
  run: string;
  /** Bytes of the recording that its reader has. */
  from: number;
  /** What to ask, should this order start it. */
  spec: object;
}

export type JoinResult =
  /** `reused`: the key stands for another request. `lost`: there is no such recording. */
  | { refused: "reused" | "lost" }
  | {
      /** Whether the call began with this order, is under way, or is over. */
      role: "started" | "joined" | "replayed";
      run: string;
      /** Where in the recording `stream` begins: less than was asked for where the end of what was heard is lost. */
      from: number;
      stream: ReadableStream<Uint8Array>;
    };

/** Undefined where the request has none. @throws Problem invalid_request */
export function readIdempotencyKey(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null || /^[\x20-\x7e]{1,255}$/.test(key)) return key ?? undefined;
  throw new Problem(
    "invalid_request",
    "The header `Idempotency-Key` has 1 to 255 printable ASCII characters. A fresh UUID is a good one.",
    {
      param: "Idempotency-Key",
    },
  );
}

/** The event after which a stream is to be continued. @throws Problem stream_lost for one that no stream of ours ever had */
export function readLastEventId(headers: Headers): { run: string; n: number } | undefined {
  const id = headers.get("last-event-id");
  if (id === null || id === "") return undefined;
  const [, run, n] = /^([0-9a-f]{1,64})-(\d{1,9})$/.exec(id) ?? [];
  if (run === undefined) throw streamLost();
  return { run, n: Number(n) };
}

/** A body that says nothing, or only that it wants a stream, with both headers: its sender has lost the question (a reloaded page), not its ids. */
export function isBodilessResume(headers: Headers, text: string): boolean {
  if (!headers.has("idempotency-key") || !headers.has("last-event-id")) return false;
  const body = text.trim() === "" ? {} : parseJson(text);
  return isRecord(body) && Object.entries(body).every(([name, value]) => name === "stream" && value === true);
}

export function streamLost(): Problem {
  return new Problem(
    "stream_lost",
    "The stream of this Last-Event-ID can't be continued: it had no Idempotency-Key, or it is not kept any more. Send the request without Last-Event-ID to begin anew; that is another call.",
    { param: "Last-Event-ID" },
  );
}

export function keyReused(): Problem {
  return new Problem(
    "idempotency_key_reused",
    "This Idempotency-Key stands for another request within the last 24 hours. Take a fresh key for every new request.",
    { param: "Idempotency-Key" },
  );
}

/** Whatever has become of the call, the key finds it: another try is safe. */
export function runUnreachable(): Problem {
  return new Problem(
    "unavailable",
    "What stands under this Idempotency-Key can't be reached at the moment. Send the same request again with the same key: it is asked at most once.",
    { retryAfter: 2, reason: "flight" },
  );
}
