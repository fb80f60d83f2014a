// A caller who leaves stops what nobody will read: upstream's record says so soon, and the log names the reason. How soon is
// workerd's to say where upstream is silent: at the next ping, which is why streams of events have one.
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, type ReceivedRequest, startEmulator } from "../emulator/emulator.ts";
import { json, PROMPT, startWorker, until, UPSTREAM_KEY, type Worker } from "./worker.ts";

/** "Within a second of the next byte", and what a busy machine takes. */
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

const WAYS: Record<string, (socket: Socket) => void> = {
  FIN: (socket) => socket.destroy(),
  RST: (socket) => socket.resetAndDestroy(),
};
const EVENTS = { fields: { stream: true }, headers: {} as Record<string, string> };
const TEXT = { fields: { stream: true }, headers: { accept: "text/plain" } as Record<string, string> };

function record(input: string): ReceivedRequest {
  return (
    emulator.received.find(({ raw }) => raw.includes(JSON.stringify(input))) ?? expect.fail("upstream was not asked")
  );
}

async function left(input: string, ms: number): Promise<void> {
  await until(() => expect(record(input).ended).toBe("client_left"), ms);
}

describe.concurrent.each(Object.entries(WAYS))("by %s", (way, leave) => {
  test.each([
    ["a stream of events", EVENTS, "event: text"],
    ["a stream of text", TEXT, "You"],
  ])("%s", async (form, { fields, headers }, word) => {
    const input = `${PROMPT} leaves ${form} by ${way} ${"and so on ".repeat(100)}`;
    const socket = await worker.open({ input, model: "emulate/slow/100", ...fields }, headers, (text) =>
      text.includes(word),
    );
    expect(record(input).ended).toBe("open");
    leave(socket);
    await left(input, SOON_MS);
    expect(record(input).events_sent).toBeLessThan(60);
  });

  test("a stream of events whose upstream is silent: at the next ping", async () => {
    const input = `${PROMPT} leaves in silence by ${way}`;
    const socket = await worker.open({ input, model: "emulate/stall", stream: true }, {}, (text) =>
      text.includes("event: text"),
    );
    leave(socket);
    await left(input, PING_MS + SOON_MS);
  });

  test("a stream of events before upstream has said a word", async () => {
    const input = `${PROMPT} leaves early by ${way}`;
    const socket = await worker.open({ input, model: "emulate/first-byte/20000", stream: true }, {});
    await until(() => record(input));
    leave(socket);
    await left(input, 2 * PING_MS + SOON_MS);
  });
});

// workerd tells of a FIN at its next write only, and a wait for JSON has none: there the call goes on to its end.
test("a wait for JSON, by RST", async () => {
  const input = `${PROMPT} leaves JSON`;
  const socket = await worker.open({ input, model: "emulate/slow/20000" }, {});
  await until(() => record(input));
  socket.resetAndDestroy();
  await left(input, SOON_MS);
});

describe("a deadline ends the call, too, where upstream has not said a word", () => {
  let hurried: Worker;
  beforeAll(async () => {
    // At once, though the request has work of its own for ten seconds more: to tell its usage.
    hurried = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":300,"usage":10000}' });
  });
  afterAll(() => hurried.stop());

  test.each([
    ["JSON", {}, {}],
    ["a stream of events", { stream: true }, {}],
    ["a flight", {}, { "idempotency-key": "leaves-at-its-deadline" }],
  ])("%s", async (form, fields, headers) => {
    const input = `${PROMPT} waits for ${form}`;
    const got = await hurried.ask(
      { input, model: "emulate/first-byte/20000", ...fields },
      headers as Record<string, string>,
    );
    expect([got.status, (json(got)["error"] as { code: string }).code]).toEqual([504, "upstream_timeout"]);
    await left(input, SOON_MS);
  });
});

test("one who stays is not taken for one who left", async () => {
  const input = `${PROMPT} stays`;
  await worker.ask({ input, stream: true });
  await until(() => expect(record(input).ended).toBe("complete"));
});

test("the log of those who left says so", async () => {
  await until(() => {
    const reasons = worker.log().map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason === "client_left")).toHaveLength(9);
  });
});
