// The messages between the Worker and a run's Durable Object, which calls upstream exactly once (docs/contract.md §6), and the problems of
// a run that can't be joined. Messages are plain data, as RPC requires.
import { Problem } from "../lib/problem.ts";

/** A request to read a run's recording. */
export interface JoinRequest {
  /**
   * Digest of the route, the preset and the request. A key that was used with a different fingerprint is refused. Undefined if the caller
   * no longer has the question; `existingRun` is set then.
   */
  fingerprint: string | undefined;
  /** The name of the recording to resume. If it is set, this request never starts a call. */
  existingRun: string | undefined;
  /** The name of the new recording, if this request starts the call. */
  run: string;
  /** Offset in bytes from which to read the recording. */
  from: number;
  /** The RunSpec of the call, if this request starts it. */
  spec: object;
}

export type JoinResult =
  /** `reused` means that the key belongs to another request, `lost` that there is no such recording. */
  { refused: "reused" | "lost" } | JoinedRecording;

export interface JoinedRecording {
  /** `started` if this request started the call, `joined` if the call was already in progress, `replayed` if it is over. */
  role: "started" | "joined" | "replayed";
  run: string;
  /** Offset in bytes at which `stream` begins. It is lower than the requested offset if the recording has lost its last bytes. */
  from: number;
  stream: ReadableStream<Uint8Array>;
}

/** The methods of a run's Durable Object. */
export interface RunMethods {
  /** Starts the call if there is none, and reads its recording from the offset `request.from`. */
  join: (request: JoinRequest) => Promise<JoinResult>;
}

/** The problem for a stream that can't be resumed. */
export function streamLost(): Problem {
  return new Problem(
    "stream_lost",
    "The stream of this Last-Event-ID can't be resumed: it had no Idempotency-Key, or its recording no longer exists. Send the request without Last-Event-ID to make a new call.",
    { param: "Last-Event-ID" },
  );
}

/** The problem for an Idempotency-Key that belongs to a different request. */
export function keyReused(): Problem {
  return new Problem(
    "idempotency_key_reused",
    "This Idempotency-Key was used for a different request in the last 24 hours. Use a new key for every new request.",
    { param: "Idempotency-Key" },
  );
}

/**
 * The problem for a run whose object can't be reached. Its call may be in progress. A retry is safe, because the key leads to the same run.
 */
export function runUnreachable(): Problem {
  return new Problem(
    "unavailable",
    "The call of this Idempotency-Key can't be reached at the moment. Send the same request again with the same key: UniAPI is called at most once.",
    { retryAfter: 2, reason: "run" },
  );
}
