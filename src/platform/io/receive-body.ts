// Request bodies from the network: the sender's time runs here. What is counted and refused is core/body.ts's.
import { readBody } from "../../core/lib/body.ts";
import { Problem } from "../../core/lib/problem.ts";

/** @throws Problem 408, 413, 415 */
export type Receive = (request: Request, maxBytes: number) => Promise<Uint8Array>;

/** @param timeoutMs what a sender has for the whole body */
export function receiver(timeoutMs: number): Receive {
  return async function receive(request, maxBytes) {
    let giveUp: (() => void) | undefined;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      giveUp?.();
    }, timeoutMs);
    function until<T>(read: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        giveUp = () => reject(lateBody());
        if (isLate) giveUp();
        read.then(resolve, reject);
      });
    }
    try {
      return await readBody(request, maxBytes, until);
    } finally {
      clearTimeout(timer);
    }
  };
}

function lateBody(): Problem {
  return new Problem("request_timeout", "The body did not arrive in time. Send it again, faster or smaller.");
}
