// Reads request bodies within a deadline. src/core/lib/body.ts counts the bytes and refuses a body that is too large.
import { readBody } from "../../core/lib/body.ts";
import { Problem } from "../../core/lib/problem.ts";
import { TimeoutError, within } from "./within.ts";

/** Reads a request's body. @throws Problem 408 request_timeout, 413 payload_too_large, 415 unsupported_media_type */
export type Receive = (request: Request, maxBytes: number) => Promise<Uint8Array>;

/** @param timeoutMs how long the whole body may take */
export function createReceiver(timeoutMs: number, now: () => number): Receive {
  return async function receive(request, maxBytes) {
    const deadline = now() + timeoutMs;
    try {
      return await readBody(request, maxBytes, (read) => within(deadline - now(), read));
    } catch (error) {
      throw error instanceof TimeoutError ? bodyTimeout() : error;
    }
  };
}

function bodyTimeout(): Problem {
  return new Problem("request_timeout", "The body did not arrive in time. Send it again, faster or smaller.");
}
