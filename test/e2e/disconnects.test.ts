// A client that disconnects stops the upstream call that nobody will read. The emulator's record shows it soon, and the log names the
// reason. While upstream is silent, workerd notices a disconnect at its next write only, so streams of events have a ping.
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, type ReceivedRequest, startEmulator } from "../emulator/emulator.ts";
import { json, PROMPT, startWorker, until, UPSTREAM_KEY, type Worker } from "./worker.ts";

/** "Within a second of the next byte", plus time for a busy machine. */
const SOON_MS = 2_500;
const PING_MS = 5_000;

let emulator: Emulator;
let worker: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
});
afterAll(async () => {
  await worker.stop();
  await emulator.close();
});

const DISCONNECTS: Record<string, (socket: Socket) => void> = {
  FIN: (socket) => socket.destroy(),
  RST: (socket) => socket.resetAndDestroy(),
};
const EVENTS = { fields: { stream: true }, headers: {} as Record<string, string> };
const TEXT = { fields: { stream: true }, headers: { accept: "text/plain" } as Record<string, string> };

let serial = 0;
/** A model that no other test names: a log line has the model of its request, but not the input. */
const uniqueModel = (fault: string, ms: number): string => `emulate/${fault}/${ms + (serial += 1)}`;

function recordOf(input: string): ReceivedRequest {
  return (
    emulator.received.find(({ raw }) => raw.includes(JSON.stringify(input))) ?? expect.fail("upstream was not called")
  );
}

async function assertStopped(input: string, ms: number): Promise<void> {
  await until(() => expect(recordOf(input).ended).toBe("client_left"), ms);
}

async function assertReasonLogged(model: string): Promise<void> {
  await until(() => {
    const lines = worker.log().filter((line) => line.event === "request" && String(line["model"]).endsWith(model));
    expect(lines.map(({ reason }) => reason)).toEqual(["client_left"]);
  });
}

describe.concurrent.each(Object.entries(DISCONNECTS))("the client disconnects by %s", (way, disconnect) => {
  test.each([
    ["a stream of events", EVENTS, "event: text"],
    ["a stream of text", TEXT, "You"],
  ])("during %s, the upstream call stops", async (form, { fields, headers }, word) => {
    const input = `${PROMPT} disconnects ${form} by ${way} ${"and so on ".repeat(100)}`;
    const model = uniqueModel("slow", 100);
    const socket = await worker.open({ input, model, ...fields }, headers, (text) => text.includes(word));
    expect(recordOf(input).ended).toBe("open");
    disconnect(socket);
    await assertStopped(input, SOON_MS);
    expect(recordOf(input).events_sent).toBeLessThan(60);
    await assertReasonLogged(model);
  });

  test("during a stream of events while upstream is silent, the upstream call stops at the next ping", async () => {
    const input = `${PROMPT} disconnects in silence by ${way}`;
    const model = uniqueModel("stall", 0);
    const socket = await worker.open({ input, model, stream: true }, {}, (text) => text.includes("event: text"));
    disconnect(socket);
    await assertStopped(input, PING_MS + SOON_MS);
    await assertReasonLogged(model);
  });

  test("before upstream has answered a stream of events, the upstream call stops within two pings", async () => {
    const input = `${PROMPT} disconnects early by ${way}`;
    const model = uniqueModel("first-byte", 20_000);
    const socket = await worker.open({ input, model, stream: true }, {});
    await until(() => recordOf(input));
    disconnect(socket);
    await assertStopped(input, 2 * PING_MS + SOON_MS);
    await assertReasonLogged(model);
  });
});

// workerd notices a FIN at its next write only. A wait for JSON has no write, so there the call continues to its end.
test("if the client disconnects by RST while it waits for JSON, the upstream call stops", async () => {
  const input = `${PROMPT} disconnects JSON`;
  const model = uniqueModel("slow", 20_000);
  const socket = await worker.open({ input, model }, {});
  await until(() => recordOf(input));
  socket.resetAndDestroy();
  await assertStopped(input, SOON_MS);
  await assertReasonLogged(model);
});

describe("before upstream has answered", () => {
  let impatient: Worker;
  beforeAll(async () => {
    // The call must stop at once, even though the request waits ten more seconds for the usage report.
    impatient = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":300,"usage":10000}' });
  });
  afterAll(() => impatient.stop());

  test.each([
    ["JSON", {}, {}],
    ["a stream of events", { stream: true }, {}],
    ["a run", {}, { "idempotency-key": "stops-at-its-deadline" }],
  ])("for %s, a deadline stops the call", async (form, fields, headers) => {
    const input = `${PROMPT} waits for ${form}`;
    const response = await impatient.ask(
      { input, model: "emulate/first-byte/20000", ...fields },
      headers as Record<string, string>,
    );
    expect([response.status, (json(response)["error"] as { code: string }).code]).toEqual([504, "upstream_timeout"]);
    await assertStopped(input, SOON_MS);
  });
});

test("a client that stays until the end is not logged as disconnected", async () => {
  const input = `${PROMPT} stays`;
  const response = await worker.ask({ input, stream: true });
  await until(() => expect(recordOf(input).ended).toBe("complete"));
  expect(await worker.logOf(response)).not.toHaveProperty("reason");
});
