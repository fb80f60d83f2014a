// The client's side of a stream that breaks, over real connections: it keeps the id of the last whole event that it has, sends the same
// POST again with it, and joins what comes. However often it breaks, the text is that of the stream which nobody disturbed.
import { afterAll, beforeAll, expect, test } from "vitest";
import { MULTI_BYTE_TEXT } from "../emulator/content-faults.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import {
  endOf,
  eventsOf,
  json,
  parseEvents,
  partIn,
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

/** The same numbers in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + Math.floor((state / 2 ** 32) * sides);
  };
}

function callsOf(input: string): number {
  return emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input))).length;
}

/** The whole events on a raw connection. */
function eventsOn(raw: string): ServerSentEvent[] {
  return parseEvents(Buffer.from(partIn(raw).text, "latin1").toString("utf8"));
}

test.concurrent("a client that is killed a hundred times at a random event and takes up the stream each time has the undisturbed text, byte for byte", async () => {
  const input = `${PROMPT} ${Array.from({ length: 130 }, (_, n) => `word${n}${MULTI_BYTE_TEXT}`).join(" ")}`;
  const body = { input, model: "emulate/slow/1", stream: true };
  const key = { "idempotency-key": crypto.randomUUID() };
  const roll = dice(6);
  const heard: ServerSentEvent[] = [];
  let kills = 0;
  while (heard.at(-1)?.event !== "done") {
    const want = roll(kills < 100 ? 4 : 1_000);
    let got: ServerSentEvent[] = [];
    const last = heard.at(-1)?.id;
    const socket = await worker.open(body, last === undefined ? key : { ...key, "last-event-id": last }, (raw) => {
      got = eventsOn(raw);
      return got.length >= want || got.at(-1)?.event === "done";
    });
    socket.resetAndDestroy();
    kills += 1;
    // What the client had not read yet when it was killed is gone with it.
    heard.push(...got.slice(0, want));
  }
  expect(kills).toBeGreaterThan(100);
  expect(heard.map(({ id }) => id)).toEqual(heard.map((_, n) => `${heard[0]?.id.split("-")[0]}-${n}`));
  const joined = heard.map(({ event, data }) => (event === "text" ? String(data["delta"]) : "")).join("");
  const whole = await worker.ask({ ...body, stream: false }, key);
  expect(joined).toBe(json(whole)["text"]);
  const undisturbed = json(await worker.ask({ input, model: "gpt-4.1-mini" }));
  expect(joined).toBe(undisturbed["text"]);
  expect(endOf(eventsOf(await worker.ask(body, key)))).toEqual(heard.at(-1)?.data);
  expect(callsOf(input)).toBe(2);
  await until(() =>
    expect(emulator.received.find(({ raw }) => raw.includes(JSON.stringify(input)))?.ended).toBe("complete"),
  );
});

test.concurrent("twenty identical requests at once, half of them streaming, are one call of upstream and twenty equal answers", async () => {
  const input = `${PROMPT} twenty`;
  const key = { "idempotency-key": crypto.randomUUID() };
  const got = await Promise.all(Array.from({ length: 20 }, (_, n) => worker.ask({ input, stream: n % 2 === 0 }, key)));
  const answers = got.map((one, n) => (n % 2 === 0 ? endOf(eventsOf(one)) : json(one)));
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(answers[0]).toMatchObject({ text: `You said: "${input}".` });
  expect(callsOf(input)).toBe(1);
});

test.concurrent("a call whose only client has left goes on for longer than an idle object lives, and is told to the next", async () => {
  // workerd evicts an object ten seconds after its last client.
  const input = `${PROMPT} leaves a long call`;
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
