// A client that does not read slows upstream down, instead of filling this Worker's memory; on a flight, which is read for all who come, it
// slows nobody down and takes no memory either. test/bench/slow-readers.ts measures both with two hundred of them.
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
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Heard." }] }],
};
const saying = (type: string, status: string): string =>
  `data: ${JSON.stringify({ type, response: { ...RESPONSE, status } })}\n\n`;
const STILL_MS = 500;

/** One call of upstream. Its model's name says how many events it has. */
interface Call {
  events: number;
  sent: number;
  movedAt: number;
  ended: "open" | "whole" | "left";
}
const calls = new Map<string, Call>();
const upstream = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const { model, input } = JSON.parse(Buffer.concat(pieces).toString()) as { model: string; input: string };
    const call: Call = { events: Number(model), sent: 0, movedAt: 0, ended: "open" };
    expect(calls.has(input), "a second call").toBe(false);
    calls.set(input, call);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(saying("response.created", "in_progress"));
    response.on("close", () => (call.ended = call.ended === "open" ? "left" : call.ended));
    response.on("drain", () => flow(call, response));
    flow(call, response);
  });
});

function flow(call: Call, response: ServerResponse): void {
  call.movedAt = performance.now();
  while (call.sent < call.events) {
    call.sent += 1;
    if (!response.write(EVENT)) return;
  }
  call.ended = "whole";
  response.end(saying("response.completed", "completed"));
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

const call = (input: string): Call => calls.get(input) ?? expect.fail("upstream was not asked");

test("a client that stops reading stops the reading of upstream, and one that leaves then ends it", async () => {
  // More than all buffers of all sockets on the way take.
  const body = { input: `${PROMPT} alone`, model: "4096", stream: true };
  const socket = await worker.open(body, {}, (text) => text.includes("audio.delta"), "/v1/responses");
  socket.pause();
  await until(() => {
    expect(call(body.input).sent).toBeGreaterThan(1);
    expect(performance.now() - call(body.input).movedAt).toBeGreaterThan(STILL_MS);
  }, 20_000);
  expect(call(body.input).sent).toBeLessThan(4_096);
  expect(call(body.input).ended).toBe("open");
  socket.resetAndDestroy();
  await until(() => expect(call(body.input).ended).toBe("left"));
});

const STALLED = 24;
/** Of 64 KiB: 16 MiB, of which sockets take the smaller part. */
const FLIGHT_EVENTS = 256;
/** 384 MiB are not read. Less than half of that is what the flight, its rows and two readers of all of it take, garbage included. */
const GROWS_MIB = 300;

test("clients that read nothing hold up neither their flight nor who else hears it, are not read ahead for, and hear all of it later", async () => {
  const body = { input: `${PROMPT} in flight`, model: String(FLIGHT_EVENTS), stream: true };
  const key = { "idempotency-key": crypto.randomUUID() };
  const before = workerdBytes();
  // Or nothing below would be measured.
  if (process.platform === "linux") expect(before).toBeGreaterThan(0);
  const stall = async (): Promise<Socket> => (await worker.open(body, key, undefined, "/v1/responses")).pause();
  const starter = await stall();
  await until(() => call(body.input));
  const others = await Promise.all(Array.from({ length: STALLED - 1 }, stall));
  const whole = await worker.send("/v1/responses", { body: { ...body, stream: false }, headers: key });
  expect(json(whole)).toMatchObject({ status: "completed", output_text: "Heard." });
  expect(call(body.input)).toMatchObject({ sent: FLIGHT_EVENTS, ended: "whole" });
  expect(await countedOn(await worker.open(body, key, undefined, "/v1/responses"))).toBe(FLIGHT_EVENTS);
  expect((workerdBytes() - before) / MIB).toBeLessThan(GROWS_MIB);
  for (const socket of others) socket.resetAndDestroy();
  expect(await countedOn(starter)).toBe(FLIGHT_EVENTS);
});

/** How many events come on a connection until the stream's good end. They are not kept. */
async function countedOn(socket: Socket): Promise<number> {
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
