// A client that does not read slows upstream down, instead of filling this Worker's memory. test/bench/slow-readers.ts measures it with
// two hundred of them.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROMPT, startWorker, until, type Worker } from "./worker.ts";

const EVENT = `data: ${JSON.stringify({ type: "response.audio.delta", delta: "x".repeat(65_536) })}\n\n`;
/** More than all buffers of all sockets on the way take. */
const EVENTS = 4_096;
const STILL_MS = 500;

let sent = 0;
let movedAt = 0;
let ended: "open" | "whole" | "left" = "open";
const upstream = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`data: ${JSON.stringify({ type: "response.created", response: { id: "resp_1", output: [] } })}\n\n`);
  response.on("close", () => (ended = ended === "open" ? "left" : ended));
  response.on("drain", () => flow(response));
  flow(response);
});

function flow(response: ServerResponse): void {
  movedAt = performance.now();
  while (sent < EVENTS) {
    sent += 1;
    if (!response.write(EVENT)) return;
  }
  ended = "whole";
  response.end();
}

let worker: Worker;
beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  worker = await startWorker(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`);
});
afterAll(async () => {
  await worker.stop();
  upstream.closeAllConnections();
  upstream.close();
});

test("a client that stops reading stops the reading of upstream, and one that leaves then ends it", async () => {
  const socket = await worker.open(
    { input: PROMPT, model: "m", stream: true },
    {},
    (text) => text.includes("audio.delta"),
    "/v1/responses",
  );
  socket.pause();
  await until(() => {
    expect(sent).toBeGreaterThan(1);
    expect(performance.now() - movedAt).toBeGreaterThan(STILL_MS);
  }, 20_000);
  expect(sent).toBeLessThan(EVENTS);
  expect(ended).toBe("open");
  socket.resetAndDestroy();
  await until(() => expect(ended).toBe("left"));
});
