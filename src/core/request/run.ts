// Exactly once (docs/contract.md §6): the messages between the Worker and a run's Durable Object, and the problems of a run that can't be
// joined. Messages are plain data, as RPC requires.
import { Problem } from "../lib/problem.ts";

/** A request to read a run's recording. */
export interface JoinRequest {
  /**
   * Digest of route and request: the same key with another request is refused. Undefined if the caller no longer has the question;
   * then `existingRun` is set.
   */
  fingerprint: string | undefined;
  /** The name of the recording to resume. A request that has it never starts a call. */
  existingRun: string | undefined;
  /** The name of the recording, if this request starts it. */
  run: string;
  /** Offset in bytes from which to read the recording. */
  from: number;
  /** The call to make, if this request starts it: a RunSpec. */
  spec: object;
}

export type JoinResult =
  /** `reused`: the key belongs to another request. `lost`: there is no such recording. */
  { refused: "reused" | "lost" } | JoinedRecording;

export interface JoinedRecording {
  /** `started`: this request has started the call. `joined`: the call is in progress. `replayed`: it is over. */
  role: "started" | "joined" | "replayed";
  run: string;
  /** Offset in bytes at which `stream` begins. It is lower than the requested one if the recording has lost the bytes before that. */
  from: number;
  stream: ReadableStream<Uint8Array>;
}

/** The methods of a run's Durable Object. */
export interface RunMethods {
  /** Starts the call if there is none, and reads its recording from `request.from` on. */
  join: (request: JoinRequest) => Promise<JoinResult>;
}

export function streamLost(): Problem {
  return new Problem(
    "stream_lost",
    "The stream of this Last-Event-ID can't be resumed: it had no Idempotency-Key, or its recording no longer exists. Send the request without Last-Event-ID to make a new call.",
    { param: "Last-Event-ID" },
  );
}

export function keyReused(): Problem {
  return new Problem(
    "idempotency_key_reused",
    "This Idempotency-Key was used for a different request in the last 24 hours. Use a new key for every new request.",
    { param: "Idempotency-Key" },
  );
}

/** The call may be in progress. Another try is safe, because the key finds it. */
export function runUnreachable(): Problem {
  return new Problem(
    "unavailable",
    "The call of this Idempotency-Key can't be reached at the moment. Send the same request again with the same key: UniAPI is called at most once.",
    { retryAfter: 2, reason: "run" },
  );
}
