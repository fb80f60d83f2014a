// Reads request bodies from the network within a deadline. src/core/lib/body.ts counts the bytes and refuses what is too large.
import { readBody } from "../../core/lib/body.ts";
import { Problem } from "../../core/lib/problem.ts";
import { TimeoutError, within } from "./within.ts";

/** @throws Problem 408, 413, 415 */
export type Receive = (request: Request, maxBytes: number) => Promise<Uint8Array>;

/** @param timeoutMs for the whole body */
export function receiver(timeoutMs: number, now: () => number): Receive {
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
