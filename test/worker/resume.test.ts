// Resuming a stream: the same POST with Last-Event-ID continues after that event, and never calls upstream.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { AskEvent } from "../../src/contract/answer.ts";
import { TrimStream } from "../../src/core/reply/trim-stream.ts";
import { runOf, freshKey, storedRecordingOf, respondOnce } from "./run-stub.ts";
import { claimsOf, hs256, SESSION_KEYS } from "./tokens.ts";
import {
  as,
  calls,
  eachTestAlone,
  eventsIn,
  EVENTS,
  type HeaderTable,
  KEYS,
  uniqueText,
  problemOf,
  type SentEvent,
  SERVER_KEYS,
  startWorker,
  TEXT,
  withinOneMinute,
  type WorkerUnderTest,
} from "./worker.ts";

eachTestAlone();

async function stream(worker: WorkerUnderTest, body: object, key: HeaderTable, after?: string): Promise<SentEvent[]> {
  const response = await worker.ask(body, {
    ...key,
    ...EVENTS,
    ...(after === undefined ? {} : { "last-event-id": after }),
  });
  expect(response.status).toBe(200);
  return eventsIn(await response.text());
}

/** Events without the ids of their requests. */
const same = (events: readonly SentEvent[]): SentEvent[] =>
  events.map(({ id, event, data }) => ({ id, event, data: event === "start" ? {} : data }));

describe("Last-Event-ID", () => {
  test.each(["gpt-6-luna", "emulate/json-for-stream", "emulate/two-messages", "emulate/no-deltas", "emulate/splits"])(
    "continues %s after each of its events, even if the object was evicted",
    async (model) => {
      const worker = startWorker();
      const body = { input: uniqueText(), model };
      const key = freshKey();
      const full = same(await stream(worker, body, key));
      for (const [at, { id }] of full.entries()) {
        const rest = at === full.length - 1 ? full.slice(-1) : full.slice(at + 1);
        expect(same(await stream(worker, body, key, id))).toEqual(rest);
      }
      await evictDurableObject(await runOf(key));
      expect(same(await stream(worker, body, key, full[0]?.id))).toEqual(full.slice(1));
      expect(await calls(body.input)).toBe(1);
    },
  );

  test("of an event mid-stream continues with the remaining events", async () => {
    const worker = startWorker();
    const body = { input: uniqueText("one two three four five"), model: "emulate/slow/50" };
    const key = freshKey();
    const reader = (await worker.ask(body, { ...key, ...EVENTS })).body?.getReader();
    let before: SentEvent[] = [];
    for (let text = ""; before.length < 3; before = eventsIn(text))
      text += new TextDecoder().decode((await reader?.read())?.value);
    await reader?.cancel();
    const rest = await stream(worker, body, key, before[2]?.id);
    const full = await stream(worker, body, key);
    expect(same([...before.slice(0, 3), ...rest])).toEqual(same(full));
    expect(await calls(body.input)).toBe(1);
  });

  test.each([
    ["another run", "0123456789ab-2"],
    ["a malformed event id", "garbage"],
    ["an event id without a number", "0123456789ab-"],
    ["a list of two event ids", "0123456789ab-1, 0123456789ab-2"],
  ])("of %s gets 409 stream_lost, whether the key is known, unknown or missing", async (_name, after) => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const key = freshKey();
    const expectLost = async (headers: HeaderTable): Promise<void> => {
      const response = await worker.ask(body, { ...EVENTS, ...headers, "last-event-id": after });
      expect([response.status, response.headers.get("x-should-retry")]).toEqual([409, "false"]);
      expect(await problemOf(response)).toMatchObject({ code: "stream_lost", param: "Last-Event-ID" });
    };
    await expectLost({});
    await expectLost(key);
    expect(await calls(body.input)).toBe(0);
    await stream(worker, body, key);
    await expectLost(key);
    expect(await calls(body.input)).toBe(1);
  });

  test("of a stream without a key gets 409", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const [first] = await stream(worker, body, {});
    for (const key of [{}, freshKey()]) {
      const response = await worker.ask(body, { ...EVENTS, ...key, "last-event-id": first?.id ?? "" });
      expect([response.status, (await problemOf(response)).code]).toEqual([409, "stream_lost"]);
    }
    expect(await calls(body.input)).toBe(1);
  });

  test("without the question follows the same rules as a request: pause, request limits, owner and route", async () => {
    const config = {
      presets: { chat: {} },
      callers: { sessions: { presets: ["chat"], per_user: { requests_per_minute: 2 } } },
    };
    const settings = { SESSION_KEYS };
    const worker = startWorker(config, settings);
    const [ada, bob] = [crypto.randomUUID(), crypto.randomUUID()].map((sub) => as(hs256(claimsOf(sub))));
    withinOneMinute();
    const key = freshKey();
    const [first] = eventsIn(await (await worker.ask({ input: uniqueText() }, { ...key, ...EVENTS, ...ada })).text());
    const again = (given: WorkerUnderTest, who: HeaderTable): Promise<Response> =>
      given.send("/ask", { method: "POST", headers: { ...key, ...who, "last-event-id": first?.id ?? "" } });
    expect((await again(startWorker(config, { ...settings, PAUSED: "1" }), bob ?? {})).status).toBe(503);
    expect((await again(worker, bob ?? {})).status).toBe(409);
    expect((await again(worker, ada ?? {})).status).toBe(200);
    expect((await problemOf(await again(worker, ada ?? {}))).code).toBe("budget_exceeded");
    // A run of the other route has no events that could be continued here.
    const other = freshKey();
    const full = await respondOnce(startWorker(), { input: uniqueText(), stream: true }, other);
    await full.text();
    const lostResponse = await startWorker().send("/ask", {
      method: "POST",
      headers: { ...other, "last-event-id": "0123456789ab-0" },
    });
    expect(lostResponse.status).toBe(409);
    await worker.settled();
  });

  test("continues by key and event id alone if the question is lost, as in a reloaded page, and never starts a call", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const key = freshKey();
    const full = await stream(worker, body, key);
    const [start, ...rest] = same(full);
    for (const nothing of ['{"stream":true}', "{}", ""]) {
      const headers = { ...key, ...EVENTS, "content-type": "application/json", "last-event-id": start?.id ?? "" };
      const response = await worker.send("/ask", { method: "POST", headers, body: nothing });
      expect([response.status, response.headers.get("cache-status")]).toEqual([
        200,
        expect.stringContaining("fwd=miss"),
      ]);
      expect(same(eventsIn(await response.text()))).toEqual(rest);
    }
    expect(await calls(body.input)).toBe(1);
  });

  test("without the question gets 409 for another caller, another key and another run", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const key = freshKey();
    const [start] = await stream(worker, { input: uniqueText() }, { ...key, ...as(KEYS.alice) });
    const expectLost = async (headers: HeaderTable): Promise<void> => {
      const response = await worker.ask(
        {},
        { ...key, ...as(KEYS.alice), ...EVENTS, "last-event-id": start?.id ?? "", ...headers },
      );
      expect([response.status, (await problemOf(response)).code]).toEqual([409, "stream_lost"]);
    };
    await expectLost(as(KEYS.bob));
    await expectLost(freshKey());
    await expectLost({ "last-event-id": "0123456789ab-0" });
    await expectLost({ "last-event-id": "garbage" });
  });

  test("beyond the end, as after an object that stopped, gets only the end", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const key = freshKey();
    const full = await stream(worker, body, key);
    const [run] = (full[0]?.id ?? "").split("-");
    expect(same(await stream(worker, body, key, `${run}-999`))).toEqual(same(full.slice(-1)));
  });

  test("of a run that failed unpaid gets 409, because the key starts a new run", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/error-event-nested" };
    const key = freshKey();
    expect((await worker.ask(body, { ...EVENTS, ...key })).status).toBe(429);
    const response = await worker.ask(body, { ...EVENTS, ...key, "last-event-id": "0123456789ab-0" });
    expect([response.status, (await problemOf(response)).code]).toEqual([409, "stream_lost"]);
    expect(await calls(body.input)).toBe(1);
  });

  test("in a request for another form gets the complete answer, without an upstream call", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const key = freshKey();
    const [first, ...rest] = await stream(worker, body, key);
    const after = { ...key, "last-event-id": first?.id ?? "" };
    expect(await worker.answer(body, after)).toEqual(rest.at(-1)?.data);
    expect(await (await worker.ask({ ...body, stream: true }, { ...after, ...TEXT })).text()).toBe(
      rest.at(-1)?.data["text"],
    );
    expect(await calls(body.input)).toBe(1);
  });

  test("is ignored on /v1/responses", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "gpt-6-sol" };
    const response = await respondOnce(worker, body, { ...freshKey(), "last-event-id": "0123456789ab-2" });
    expect(response.status).toBe(200);
  });
});

test("a broken connection to the run's object is resumed where it broke, for every form", async () => {
  const body = { input: uniqueText("one two three four five"), model: "emulate/slow/20" };
  const key = freshKey();
  let joins = 0;
  // Each connection breaks after a few bytes, in the middle of lines.
  const RUNS = {
    getByName: (name: string) => ({
      async join(order: never) {
        joins += 1;
        const joined = await env.RUNS.getByName(name).join(order);
        if (!("stream" in joined)) return joined;
        const source = joined.stream.getReader();
        let remaining = 150;
        let broken = false;
        const stream = new ReadableStream<Uint8Array>({
          async pull(controller) {
            if (broken) {
              controller.error(new Error("Network connection lost."));
              return;
            }
            const { done, value } = await source.read();
            if (done) {
              controller.close();
              return;
            }
            controller.enqueue(value.subarray(0, remaining));
            remaining -= value.length;
            broken = remaining <= 0;
            if (broken) await source.cancel();
          },
        });
        return { role: joined.role, run: joined.run, from: joined.from, stream };
      },
    }),
  };
  const worker = startWorker({}, { RUNS });
  const streamed = await stream(worker, body, key);
  expect(joins).toBeGreaterThan(5);
  expect(streamed.at(-1)?.data).toEqual(await worker.answer(body, key));
  expect(same(streamed)).toEqual(same(await stream(startWorker(), body, key)));
  expect(await calls(body.input)).toBe(1);
  await vi.waitFor(async () => expect((await storedRecordingOf(await runOf(key))).alarm).not.toBeNull());
});

describe("an object that becomes unreachable mid-stream", () => {
  /** Returns this part of the recording and breaks; then no request can join again. */
  function breakAfterPart(part: number): object {
    let reachable = true;
    return {
      getByName: (name: string) => ({
        async join(order: never) {
          if (!reachable) throw new Error("unreachable");
          reachable = false;
          const joined = await env.RUNS.getByName(name).join(order);
          if (!("stream" in joined)) return joined;
          const bytes = new Uint8Array(await new Response(joined.stream).arrayBuffer());
          let sent = false;
          const stream = new ReadableStream<Uint8Array>({
            pull(controller) {
              if (sent) controller.error(new Error("Network connection lost."));
              else controller.enqueue(bytes.subarray(0, Math.max(1, Math.floor(bytes.length * part))));
              sent = true;
            },
          });
          return { role: joined.role, run: joined.run, from: joined.from, stream };
        },
      }),
    };
  }

  test("is reported by an error event without an id, so that the stream can be continued", async () => {
    const body = { input: uniqueText("one two three four five") };
    const key = freshKey();
    await stream(startWorker(), body, key);
    const before = await stream(startWorker({}, { RUNS: breakAfterPart(0.5) }), body, key);
    const failed = before.pop();
    expect(failed).toMatchObject({ event: "error", data: { error: { code: "unavailable" } } });
    expect(failed?.id).toBe(before.at(-1)?.id);
    const rest = await stream(startWorker(), body, key, failed?.id);
    expect(same([...before, ...rest])).toEqual(same(await stream(startWorker(), body, key)));
  });

  test("never makes a client continue before its last event", async () => {
    const body = { input: uniqueText("one two three four five six seven eight") };
    const key = freshKey();
    const last = (await stream(startWorker(), body, key)).at(-3)?.id ?? "";
    for (const part of [0.25, 0.4]) {
      const [failed] = await stream(startWorker({}, { RUNS: breakAfterPart(part) }), body, key, last);
      expect(failed).toMatchObject({ event: "error", id: last, data: { error: { code: "unavailable" } } });
    }
    // Before the first line there is no stream yet, so the response has an error status.
    const response = await startWorker({}, { RUNS: breakAfterPart(0) }).ask(body, {
      ...key,
      ...EVENTS,
      "last-event-id": last,
    });
    expect([response.status, (await problemOf(response)).code]).toEqual([503, "unavailable"]);
  });
});

describe("a deployment between the two halves of a stream", () => {
  afterEach(() => vi.restoreAllMocks());

  test.each(["gpt-6-luna", "emulate/two-messages", "emulate/no-deltas", "emulate/json-for-stream"])(
    "changes no event of %s: the new code splits text differently, and the client's deltas still join to the text",
    async (model) => {
      const worker = startWorker();
      const body = { input: uniqueText("one two three four five"), model };
      const key = freshKey();
      const before = same(await stream(worker, body, key));
      cutTextOtherwise();
      for (const [at, { id }] of before.slice(0, -1).entries())
        expect(same(await stream(worker, body, key, id))).toEqual(before.slice(at + 1));
      expect(same(await stream(worker, body, key))).toEqual(before);
      expect(await calls(body.input)).toBe(1);
    },
  );

  /** Trims as later code may: every character is an event. */
  function cutTextOtherwise(): void {
    for (const name of ["push", "pushText", "finish"] as const) {
      const original = TrimStream.prototype[name] as (...given: unknown[]) => AskEvent[];
      vi.spyOn(TrimStream.prototype, name).mockImplementation(function (this: TrimStream, ...given: unknown[]) {
        return original
          .apply(this, given)
          .flatMap((event): AskEvent[] =>
            event.event === "text"
              ? [...event.data.delta].map((delta) => ({ event: "text", data: { delta } }))
              : [event],
          );
      });
    }
  }
});

vi.setConfig({ testTimeout: 30_000 });
