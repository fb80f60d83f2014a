// Sends a script over a connection. It waits for slow readers, stops when the client disconnects, and updates the
// record of the request as it goes.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setImmediate, setTimeout } from "node:timers/promises";

import type { Script } from "./script.ts";

export type Progress = { ended: "open" | "complete" | "client_left"; events_sent: number };

async function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  if (ms === undefined) return;
  if (ms > 0) await setTimeout(ms, undefined, { signal });
  else await setImmediate(undefined, { signal });
}

/** "complete" means that the emulator sent the whole script, even if the script ends in a broken connection. */
export async function deliver(script: Script, response: ServerResponse, progress: Progress): Promise<void> {
  const disconnected = new AbortController();
  response.once("close", () => {
    if (progress.ended === "open") progress.ended = "client_left";
    disconnected.abort();
  });
  // A write to a connection that just broke. The "close" event follows and sets the outcome.
  response.on("error", () => disconnected.abort());
  try {
    await send(script, response, progress, disconnected.signal);
  } catch (error) {
    if (!disconnected.signal.aborted) throw error;
  }
}

async function send(
  script: Script,
  response: ServerResponse,
  progress: Progress,
  disconnected: AbortSignal,
): Promise<void> {
  await pause(script.headersAfterMs, disconnected);
  if (script.end === "reset") {
    progress.ended = "complete";
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(script.status, script.headers);
  response.flushHeaders();
  for (const { bytes, events, pauseMs } of script.steps) {
    await pause(pauseMs, disconnected);
    disconnected.throwIfAborted();
    if (!response.write(bytes)) await once(response, "drain", { signal: disconnected });
    progress.events_sent += events;
  }
  if (script.end === "hang") {
    // Only the close of the socket ends the wait: there is no timeout.
    await once(response, "close", { signal: disconnected });
    return;
  }
  progress.ended = "complete";
  if (script.end === "end") response.end();
  // Bytes already written still reach the client before the connection breaks.
  else response.socket?.destroySoon();
}
