// A client that doesn't read slows upstream down instead of filling the Worker's memory. A run is recorded for all its clients, so
// such a client neither slows down the others nor takes memory. test/bench/slow-readers.ts measures both with two hundred clients.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { workerdBytes } from "../support/workerd-bytes.ts";
import { json, PROMPT, startWorker, until, type Worker } from "./worker.ts";

const MIB = 1_048_576;
const EVENT = `data: ${JSON.stringify({ type: "response.audio.delta", delta: "x".repeat(65_536) })}\n\n`;
const RESPONSE = {
  id: "resp_1",
  model: "m",
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Done." }] }],
};
const eventOf = (type: string, status: string): string =>
  `data: ${JSON.stringify({ type, response: { ...RESPONSE, status } })}\n\n`;
const STILL_MS = 500;

/** One upstream call. Its model's name is its number of events. */
interface Call {
  events: number;
  sent: number;
  lastWriteAt: number;
  ended: "open" | "complete" | "disconnected";
}
const calls = new Map<string, Call>();
const upstream = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const { model, input } = JSON.parse(Buffer.concat(pieces).toString()) as { model: string; input: string };
    const call: Call = { events: Number(model), sent: 0, lastWriteAt: 0, ended: "open" };
    expect(calls.has(input), "a second call").toBe(false);
    calls.set(input, call);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(eventOf("response.created", "in_progress"));
    response.on("close", () => (call.ended = call.ended === "open" ? "disconnected" : call.ended));
    response.on("drain", () => sendEvents(call, response));
    sendEvents(call, response);
  });
});

function sendEvents(call: Call, response: ServerResponse): void {
  call.lastWriteAt = performance.now();
  while (call.sent < call.events) {
    call.sent += 1;
    if (!response.write(EVENT)) return;
  }
  call.ended = "complete";
  response.end(eventOf("response.completed", "completed"));
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

const call = (input: string): Call => calls.get(input) ?? expect.fail("upstream was not called");

test("when a client stops reading, the Worker stops reading upstream; when it disconnects, the Worker aborts the call", async () => {
  // More than the buffers of all sockets on the way can hold.
  const body = { input: `${PROMPT} alone`, model: "4096", stream: true };
  const socket = await worker.open(body, {}, (text) => text.includes("audio.delta"), "/v1/responses");
  socket.pause();
  await until(() => {
    expect(call(body.input).sent).toBeGreaterThan(1);
    expect(performance.now() - call(body.input).lastWriteAt).toBeGreaterThan(STILL_MS);
  }, 20_000);
  expect(call(body.input).sent).toBeLessThan(4_096);
  expect(call(body.input).ended).toBe("open");
  socket.resetAndDestroy();
  await until(() => expect(call(body.input).ended).toBe("disconnected"));
});

const STALLED = 24;
/** Events of 64 KiB: 16 MiB in total, more than the buffers of the sockets hold. */
const RUN_EVENTS = 256;
/** The clients leave 384 MiB unread. The run, its rows and two complete readers need less than half of that, including garbage. */
const MAX_GROWTH_MIB = 300;

test("clients that read nothing slow down neither their run nor its other clients, use no memory for unread events, and can read everything later", async () => {
  const body = { input: `${PROMPT} in a run`, model: String(RUN_EVENTS), stream: true };
  const key = { "idempotency-key": crypto.randomUUID() };
  const before = workerdBytes();
  // Otherwise the test would measure nothing.
  if (process.platform === "linux") expect(before).toBeGreaterThan(0);
  const openStalled = async (): Promise<Socket> => (await worker.open(body, key, undefined, "/v1/responses")).pause();
  const starter = await openStalled();
  await until(() => call(body.input));
  const others = await Promise.all(Array.from({ length: STALLED - 1 }, openStalled));
  const response = await worker.send("/v1/responses", { body: { ...body, stream: false }, headers: key });
  expect(json(response)).toMatchObject({ status: "completed", output_text: "Done." });
  expect(call(body.input)).toMatchObject({ sent: RUN_EVENTS, ended: "complete" });
  expect(await countEvents(await worker.open(body, key, undefined, "/v1/responses"))).toBe(RUN_EVENTS);
  expect((workerdBytes() - before) / MIB).toBeLessThan(MAX_GROWTH_MIB);
  for (const socket of others) socket.resetAndDestroy();
  expect(await countEvents(starter)).toBe(RUN_EVENTS);
});

/** Counts the events on a connection until the regular end of the stream, without storing them. */
async function countEvents(socket: Socket): Promise<number> {
  const name = '"response.audio.delta"';
  let [count, rest, end] = [0, "", ""];
  socket.removeAllListeners("data").on("data", (piece: Buffer) => {
    const text = rest + piece.toString("latin1");
    count += text.split(name).length - 1;
    rest = text.slice(1 - name.length);
    end = (end + text).slice(-40);
  });
  socket.resume();
  await until(() => expect(end).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\n$/), 20_000);
  socket.destroy();
  return count;
}
