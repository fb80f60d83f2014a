// A stream that is taken up again: the same POST with Last-Event-ID goes on after that event, and never asks upstream.
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
  marked,
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

/** All but the ids of the requests themselves. */
const same = (events: readonly SentEvent[]): SentEvent[] =>
  events.map(({ id, event, data }) => ({ id, event, data: event === "start" ? {} : data }));

describe("Last-Event-ID", () => {
  test.each(["gpt-6-luna", "emulate/json-for-stream", "emulate/two-messages", "emulate/no-deltas", "emulate/splits"])(
    "continues %s after every one of its events, also from an object that was evicted",
    async (model) => {
      const worker = startWorker();
      const body = { input: marked(), model };
      const key = freshKey();
      const whole = same(await stream(worker, body, key));
      for (const [at, { id }] of whole.entries()) {
        const rest = at === whole.length - 1 ? whole.slice(-1) : whole.slice(at + 1);
        expect(same(await stream(worker, body, key, id))).toEqual(rest);
      }
      await evictDurableObject(await runOf(key));
      expect(same(await stream(worker, body, key, whole[0]?.id))).toEqual(whole.slice(1));
      expect(await calls(body.input)).toBe(1);
    },
  );

  test("in mid-stream goes on with what is still to come", async () => {
    const worker = startWorker();
    const body = { input: marked("one two three four five"), model: "emulate/slow/50" };
    const key = freshKey();
    const reader = (await worker.ask(body, { ...key, ...EVENTS })).body?.getReader();
    let heard: SentEvent[] = [];
    for (let text = ""; heard.length < 3; heard = eventsIn(text))
      text += new TextDecoder().decode((await reader?.read())?.value);
    await reader?.cancel();
    const rest = await stream(worker, body, key, heard[2]?.id);
    const whole = await stream(worker, body, key);
    expect(same([...heard.slice(0, 3), ...rest])).toEqual(same(whole));
    expect(await calls(body.input)).toBe(1);
  });

  test.each([
    ["another run", "0123456789ab-2"],
    ["no run at all", "garbage"],
    ["no number", "0123456789ab-"],
    ["another's form", "0123456789ab-1, 0123456789ab-2"],
  ])("of %s is lost: 409, whether the key is known or not, and also without one", async (_name, after) => {
    const worker = startWorker();
    const body = { input: marked() };
    const key = freshKey();
    const lost = async (headers: HeaderTable): Promise<void> => {
      const response = await worker.ask(body, { ...EVENTS, ...headers, "last-event-id": after });
      expect([response.status, response.headers.get("x-should-retry")]).toEqual([409, "false"]);
      expect(await problemOf(response)).toMatchObject({ code: "stream_lost", param: "Last-Event-ID" });
    };
    await lost({});
    await lost(key);
    expect(await calls(body.input)).toBe(0);
    await stream(worker, body, key);
    await lost(key);
    expect(await calls(body.input)).toBe(1);
  });

  test("of a stream that had no key is lost", async () => {
    const worker = startWorker();
    const body = { input: marked() };
    const [first] = await stream(worker, body, {});
    for (const key of [{}, freshKey()]) {
      const response = await worker.ask(body, { ...EVENTS, ...key, "last-event-id": first?.id ?? "" });
      expect([response.status, (await problemOf(response)).code]).toEqual([409, "stream_lost"]);
    }
    expect(await calls(body.input)).toBe(1);
  });

  test("without the question is held to all that a request is: pause, requests, whose it is, and which route", async () => {
    const config = {
      presets: { chat: {} },
      callers: { sessions: { presets: ["chat"], per_user: { requests_per_minute: 2 } } },
    };
    const settings = { SESSION_KEYS };
    const worker = startWorker(config, settings);
    const [ada, bob] = [crypto.randomUUID(), crypto.randomUUID()].map((sub) => as(hs256(claimsOf(sub))));
    withinOneMinute();
    const key = freshKey();
    const [first] = eventsIn(await (await worker.ask({ input: marked() }, { ...key, ...EVENTS, ...ada })).text());
    const again = (given: WorkerUnderTest, who: HeaderTable): Promise<Response> =>
      given.send("/ask", { method: "POST", headers: { ...key, ...who, "last-event-id": first?.id ?? "" } });
    expect((await again(startWorker(config, { ...settings, PAUSED: "1" }), bob ?? {})).status).toBe(503);
    expect((await again(worker, bob ?? {})).status).toBe(409);
    expect((await again(worker, ada ?? {})).status).toBe(200);
    expect((await problemOf(await again(worker, ada ?? {}))).code).toBe("budget_exceeded");
    // A flight of the other route has no events that could be continued here.
    const other = freshKey();
    const whole = await respondOnce(startWorker(), { input: marked(), stream: true }, other);
    await whole.text();
    const lost = await startWorker().send("/ask", {
      method: "POST",
      headers: { ...other, "last-event-id": "0123456789ab-0" },
    });
    expect(lost.status).toBe(409);
    await worker.settled();
  });

  test("continues by key and event alone where the question is lost, as to a page that was reloaded; and never begins a call", async () => {
    const worker = startWorker();
    const body = { input: marked() };
    const key = freshKey();
    const whole = await stream(worker, body, key);
    const [start, ...rest] = same(whole);
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

  test("without the question is lost to another caller, under another key and for another run", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const key = freshKey();
    const [start] = await stream(worker, { input: marked() }, { ...key, ...as(KEYS.alice) });
    const lost = async (headers: HeaderTable): Promise<void> => {
      const response = await worker.ask(
        {},
        { ...key, ...as(KEYS.alice), ...EVENTS, "last-event-id": start?.id ?? "", ...headers },
      );
      expect([response.status, (await problemOf(response)).code]).toEqual([409, "stream_lost"]);
    };
    await lost(as(KEYS.bob));
    await lost(freshKey());
    await lost({ "last-event-id": "0123456789ab-0" });
    await lost({ "last-event-id": "garbage" });
  });

  test("beyond the end, as after an object that broke, brings the end alone", async () => {
    const worker = startWorker();
    const body = { input: marked() };
    const key = freshKey();
    const whole = await stream(worker, body, key);
    const [run] = (whole[0]?.id ?? "").split("-");
    expect(same(await stream(worker, body, key, `${run}-999`))).toEqual(same(whole.slice(-1)));
  });

  test("of a run that failed unpaid is lost, since the key begins anew", async () => {
    const worker = startWorker();
    const body = { input: marked(), model: "emulate/error-event-nested" };
    const key = freshKey();
    const failed = await stream(worker, body, key);
    expect(failed.at(-1)?.event).toBe("error");
    const response = await worker.ask(body, { ...EVENTS, ...key, "last-event-id": failed[0]?.id ?? "" });
    expect([response.status, (await problemOf(response)).code]).toEqual([409, "stream_lost"]);
    expect(await calls(body.input)).toBe(1);
  });

  test("asks for an answer in another form: whole, and without a call", async () => {
    const worker = startWorker();
    const body = { input: marked() };
    const key = freshKey();
    const [first, ...rest] = await stream(worker, body, key);
    const after = { ...key, "last-event-id": first?.id ?? "" };
    expect(await worker.answer(body, after)).toEqual(rest.at(-1)?.data);
    expect(await (await worker.ask({ ...body, stream: true }, { ...after, ...TEXT })).text()).toBe(
      rest.at(-1)?.data["text"],
    );
    expect(await calls(body.input)).toBe(1);
  });

  test("means nothing on /v1/responses", async () => {
    const worker = startWorker();
    const body = { input: marked(), model: "gpt-6-sol" };
    const response = await respondOnce(worker, body, { ...freshKey(), "last-event-id": "0123456789ab-2" });
    expect(response.status).toBe(200);
  });
});

test("a connection to the object that breaks in mid-flight is taken up where it broke, for every form", async () => {
  const body = { input: marked("one two three four five"), model: "emulate/slow/20" };
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

describe("an object that can't be reached any more in mid-stream", () => {
  /** Gives that part of the recording, then breaks; nobody can join again. */
  function breaking(part: number): object {
    let reachable = true;
    return {
      getByName: (name: string) => ({
        async join(order: never) {
          if (!reachable) throw new Error("unreachable");
          reachable = false;
          const joined = await env.RUNS.getByName(name).join(order);
          if (!("stream" in joined)) return joined;
          const bytes = new Uint8Array(await new Response(joined.stream).arrayBuffer());
          let said = false;
          const stream = new ReadableStream<Uint8Array>({
            pull(controller) {
              if (said) controller.error(new Error("Network connection lost."));
              else controller.enqueue(bytes.subarray(0, Math.max(1, Math.floor(bytes.length * part))));
              said = true;
            },
          });
          return { role: joined.role, run: joined.run, from: joined.from, stream };
        },
      }),
    };
  }

  test("is told by an error that takes no number, so that the stream can be continued", async () => {
    const body = { input: marked("one two three four five") };
    const key = freshKey();
    await stream(startWorker(), body, key);
    const heard = await stream(startWorker({}, { RUNS: breaking(0.5) }), body, key);
    const failed = heard.pop();
    expect(failed).toMatchObject({ event: "error", data: { error: { code: "unavailable" } } });
    expect(failed?.id).toBe(heard.at(-1)?.id);
    const rest = await stream(startWorker(), body, key, failed?.id);
    expect(same([...heard, ...rest])).toEqual(same(await stream(startWorker(), body, key)));
  });

  test("never sends a client back behind what it has", async () => {
    const body = { input: marked("one two three four five six seven eight") };
    const key = freshKey();
    const last = (await stream(startWorker(), body, key)).at(-3)?.id ?? "";
    for (const part of [0.25, 0.4]) {
      const [failed] = await stream(startWorker({}, { RUNS: breaking(part) }), body, key, last);
      expect(failed).toMatchObject({ event: "error", id: last, data: { error: { code: "unavailable" } } });
    }
    // Before the first line there is no stream yet: the status tells.
    const response = await startWorker({}, { RUNS: breaking(0) }).ask(body, {
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
    "changes no event of %s: the new code cuts text into other pieces, and the client's text still joins",
    async (model) => {
      const worker = startWorker();
      const body = { input: marked("one two three four five"), model };
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
