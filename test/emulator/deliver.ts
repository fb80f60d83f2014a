// Sends a script over a connection: waits for slow readers, stops when the client leaves, and keeps the
// record of the request true while it does so.
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

/** "complete" means that the emulator did all it meant to do, a broken connection included. */
export async function deliver(script: Script, response: ServerResponse, progress: Progress): Promise<void> {
  const left = new AbortController();
  response.once("close", () => {
    if (progress.ended === "open") progress.ended = "client_left";
    left.abort();
  });
  // A write to a connection that just broke: its close, which follows, is what counts.
  response.on("error", () => left.abort());
  try {
    await send(script, response, progress, left.signal);
  } catch (error) {
    if (!left.signal.aborted) throw error;
  }
}

async function send(script: Script, response: ServerResponse, progress: Progress, left: AbortSignal): Promise<void> {
  await pause(script.headersAfterMs, left);
  if (script.end === "reset") {
    progress.ended = "complete";
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(script.status, script.headers);
  response.flushHeaders();
  for (const { bytes, events, pauseMs } of script.steps) {
    await pause(pauseMs, left);
    left.throwIfAborted();
    if (!response.write(bytes)) await once(response, "drain", { signal: left });
    progress.events_sent += events;
  }
  if (script.end === "hang") {
    // The socket's own close ends the wait: there is no time after which this goes on.
    await once(response, "close", { signal: left });
    return;
  }
  progress.ended = "complete";
  if (script.end === "end") response.end();
  // Bytes already written still reach the client before the connection breaks.
  else response.socket?.destroySoon();
}
