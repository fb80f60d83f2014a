// A client resumes a broken stream over real connections: it remembers the id of the last complete event, sends the same POST again
// with that id, and appends the new events. However often the stream breaks, the text equals that of an undisturbed stream.
import { afterAll, beforeAll, expect, test } from "vitest";
import { MULTI_BYTE_TEXT } from "../emulator/content-faults.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import {
  endOf,
  eventsOf,
  json,
  parseEvents,
  parseRawResponse,
  PROMPT,
  type ServerSentEvent,
  startWorker,
  until,
  UPSTREAM_KEY,
  type Worker,
} from "./worker.ts";

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

/** Random integers from 1 to `sides`, the same in every run. */
function seededRandom(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + Math.floor((state / 2 ** 32) * sides);
  };
}

function callsOf(input: string): number {
  return emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input))).length;
}

/** The complete events on a raw connection. */
function eventsOn(raw: string): ServerSentEvent[] {
  return parseEvents(Buffer.from(parseRawResponse(raw).text, "latin1").toString("utf8"));
}

test.concurrent("a client that disconnects a hundred times at random events and resumes each time gets the complete text, byte for byte", async () => {
  const input = `${PROMPT} ${Array.from({ length: 130 }, (_, n) => `word${n}${MULTI_BYTE_TEXT}`).join(" ")}`;
  const body = { input, model: "emulate/slow/1", stream: true };
  const key = { "idempotency-key": crypto.randomUUID() };
  const roll = seededRandom(6);
  const events: ServerSentEvent[] = [];
  let disconnects = 0;
  while (events.at(-1)?.event !== "done") {
    const count = roll(disconnects < 100 ? 4 : 1_000);
    let received: ServerSentEvent[] = [];
    const last = events.at(-1)?.id;
    const socket = await worker.open(body, last === undefined ? key : { ...key, "last-event-id": last }, (raw) => {
      received = eventsOn(raw);
      return received.length >= count || received.at(-1)?.event === "done";
    });
    socket.resetAndDestroy();
    disconnects += 1;
    // Events that the client had not read when it disconnected are lost.
    events.push(...received.slice(0, count));
  }
  expect(disconnects).toBeGreaterThan(100);
  expect(events.map(({ id }) => id)).toEqual(events.map((_, n) => `${events[0]?.id.split("-")[0]}-${n}`));
  const joined = events.map(({ event, data }) => (event === "text" ? String(data["delta"]) : "")).join("");
  const response = await worker.ask({ ...body, stream: false }, key);
  expect(joined).toBe(json(response)["text"]);
  const undisturbed = json(await worker.ask({ input, model: "gpt-6-luna" }));
  expect(joined).toBe(undisturbed["text"]);
  expect(endOf(eventsOf(await worker.ask(body, key)))).toEqual(events.at(-1)?.data);
  expect(callsOf(input)).toBe(2);
  await until(() =>
    expect(emulator.received.find(({ raw }) => raw.includes(JSON.stringify(input)))?.ended).toBe("complete"),
  );
});

test.concurrent("twenty identical concurrent requests, half of them streaming, make one upstream call and get twenty equal answers", async () => {
  const input = `${PROMPT} twenty`;
  const key = { "idempotency-key": crypto.randomUUID() };
  const responses = await Promise.all(
    Array.from({ length: 20 }, (_, n) => worker.ask({ input, stream: n % 2 === 0 }, key)),
  );
  const answers = responses.map((response, n) => (n % 2 === 0 ? endOf(eventsOf(response)) : json(response)));
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(answers[0]).toMatchObject({ text: `You said: "${input}".` });
  expect(callsOf(input)).toBe(1);
});

test.concurrent("a run whose only client disconnected continues for longer than an idle Durable Object lives, and the next client gets its answer", async () => {
  // workerd evicts an object ten seconds after its last client.
  const input = `${PROMPT} disconnects from a long call`;
  const body = { input, model: "emulate/first-byte/12000" };
  const key = { "idempotency-key": crypto.randomUUID() };
  const socket = await worker.open(body, key);
  await until(() => expect(callsOf(input)).toBe(1));
  socket.resetAndDestroy();
  await until(
    () => expect(emulator.received.find(({ raw }) => raw.includes(JSON.stringify(input)))?.ended).toBe("complete"),
    25_000,
  );
  expect(json(await worker.ask(body, key))["text"]).toBe(`You said: "${input}".`);
  expect(callsOf(input)).toBe(1);
});
