// The stream of /v1/responses: upstream bytes with our ids, and its end.
import { expect, test } from "vitest";
import type { StreamedAnswer } from "../../src/answer/answer.ts";
import type { FinishedAnswer } from "../../src/answer/pending-turn.ts";
import type { UpstreamEvent } from "../../src/answer/upstream-events.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { ResponsesSource } from "../../src/http/respond/responses-source.ts";

const encoder = new TextEncoder();

/** An event in an unusual but valid notation. */
function upstreamEvent(data: JsonObject): UpstreamEvent {
  return {
    type: String(data["type"]),
    data,
    frame: encoder.encode(
      `: a comment\r\nevent:${String(data["type"])}\r\ndata:  ${JSON.stringify(data, null, 0)}\r\n\r\n`,
    ),
  };
}

const response: JsonObject = {
  id: "up_1",
  object: "response",
  status: "completed",
  model: "m",
  output: [],
  previous_response_id: "up_0",
};
const finished: FinishedAnswer = {
  response,
  context: { id: "resp_ue1_1", previousId: "resp_ue1_0", now: 1_800_000_000, model: "m", wantsData: false },
  stored: false,
};

/** @param batches of upstream's events; a Problem ends them */
function source(...batches: (UpstreamEvent[] | Problem)[]): { source: ResponsesSource; ends: (Problem | undefined)[] } {
  const ends: (Problem | undefined)[] = [];
  const streamed: StreamedAnswer = {
    kind: "stream",
    id: undefined,
    previousId: "resp_ue1_0",
    headers: {},
    idFor: (id) => Promise.resolve(`resp_ue1_of_${String(id)}`),
    next() {
      const batch = batches.shift() ?? [];
      if (batch instanceof Problem) return Promise.reject(batch);
      const isLast = batch.some(({ type }) => type === "response.completed");
      return Promise.resolve({ events: batch, ...(isLast ? { finished } : {}) });
    },
    cancel: () => undefined,
  };
  return {
    source: new ResponsesSource(streamed, {
      requestId: "req_1",
      request: { model: "m" },
      restricted: false,
      now: 1,
      onEnd: (problem) => ends.push(problem),
    }),
    ends,
  };
}

const text = (frames: Uint8Array | string | null): string =>
  frames === null || typeof frames === "string" ? (frames ?? "") : new TextDecoder().decode(frames);
const dataIn = (frames: string): JsonObject[] =>
  frames.split("\n").flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6)) as JsonObject] : []));

const createdEvent = (sequence_number?: number): UpstreamEvent =>
  upstreamEvent({
    type: "response.created",
    response: { ...response, status: "in_progress" },
    ...(sequence_number === undefined ? {} : { sequence_number }),
  });
const delta = (sequence_number?: number): UpstreamEvent =>
  upstreamEvent({
    type: "response.output_text.delta",
    delta: "hi",
    ...(sequence_number === undefined ? {} : { sequence_number }),
  });
const completedEvent = (sequence_number?: number): UpstreamEvent =>
  upstreamEvent({
    type: "response.completed",
    response,
    ...(sequence_number === undefined ? {} : { sequence_number }),
  });

test("events without a response object are forwarded byte for byte, the others get our ids, and [DONE] ends the stream", async () => {
  const { source: events, ends } = source([createdEvent(0)], [delta(1)], [delta(2), completedEvent(3)]);
  expect(dataIn(text(await events.next()))).toMatchObject([
    { sequence_number: 0, response: { id: "resp_ue1_of_up_1", previous_response_id: "resp_ue1_0" } },
  ]);
  expect(await events.next()).toEqual(delta(1).frame);
  const last = text(await events.next());
  expect(last.startsWith(text(delta(2).frame))).toBe(true);
  expect(dataIn(last)).toMatchObject([{ sequence_number: 3, response: { id: "resp_ue1_1", output_text: "" } }]);
  expect(last.endsWith("data: [DONE]\n\n")).toBe(true);
  expect(await events.next()).toBeNull();
  expect(ends).toEqual([undefined]);
});

test("if upstream's first event has no number, all events are numbered", async () => {
  const { source: events } = source([createdEvent(), delta(7)], [delta()], [completedEvent()]);
  const frames = [text(await events.next()), text(await events.next()), text(await events.next())].join("");
  expect(dataIn(frames).map(({ sequence_number }) => sequence_number)).toEqual([0, 1, 2, 3]);
});

test("upstream's id becomes ours in every event", async () => {
  const named = upstreamEvent({
    type: "response.output_text.delta",
    response_id: "up_1",
    delta: "hi",
    sequence_number: 1,
  });
  const { source: events } = source([createdEvent(0)], [named]);
  const frames = text(await events.next()) + text(await events.next());
  expect(frames).not.toMatch(/"up_/);
  expect(dataIn(frames)[1]).toMatchObject({ response_id: "resp_ue1_of_up_1", delta: "hi" });
});

test("a stream that fails ends with an error event, both flat and nested, without [DONE], and then breaks its connection", async () => {
  const broken = new Problem("upstream_error", "It broke.", { paid: "maybe" });
  const { source: events, ends } = source([createdEvent(0)], broken);
  await events.next();
  const frames = text(await events.next());
  const error = { message: "It broke.", code: "upstream_error", param: "" };
  expect(dataIn(frames)).toEqual([
    { type: "error", sequence_number: 1, ...error, error: { ...error, type: "server_error", request_id: "req_1" } },
  ]);
  expect(frames).not.toContain("[DONE]");
  await expect(events.next()).rejects.toBe(broken);
  expect(ends).toEqual([broken]);
});
