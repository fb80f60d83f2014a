// Request bodies from the network: the sender's time runs here. What is counted and refused is core/body.ts's.
import { readBody } from "../core/body.ts";

/** @throws Problem 408, 413, 415 */
export type Receive = (request: Request, maxBytes: number) => Promise<Uint8Array>;

/** @param timeoutMs what a sender has for the whole body */
export function receiver(timeoutMs: number): Receive {
  return async function receive(request, maxBytes) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    try {
      return await readBody(request, maxBytes, late.signal);
    } finally {
      clearTimeout(timer);
    }
  };
}
