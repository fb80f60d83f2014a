// The stream of /v1/responses: upstream bytes with our ids, and its end.
import { expect, test } from "vitest";
import type { StreamedAnswer } from "../../src/answer/answer.ts";
import type { FinishedAnswer } from "../../src/answer/pending-turn.ts";
import { readFrame, type UpstreamEvent } from "../../src/core/upstream/event.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { ResponsesSource } from "../../src/http/respond/responses-source.ts";

const encoder = new TextEncoder();

/** An event as upstream sends it. */
function upstreamEvent(data: JsonObject): UpstreamEvent {
  const event = readFrame(encoder.encode(`event: ${String(data["type"])}\ndata: ${JSON.stringify(data)}\n\n`));
  if (event === undefined) throw new Error("no event");
  return event;
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
    id: "resp_ue1_1",
    previousId: "resp_ue1_0",
    headers: {},
    failedResponse: () => ({
      id: "up_1",
      status: "failed",
      output: [{ type: "message", id: "msg_1", status: "incomplete" }],
    }),
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
    item_id: "msg_1",
    output_index: 0,
    content_index: 0,
    delta: "hi",
    ...(sequence_number === undefined ? {} : { sequence_number }),
  });
const completedEvent = (sequence_number?: number): UpstreamEvent =>
  upstreamEvent({
    type: "response.completed",
    response,
    ...(sequence_number === undefined ? {} : { sequence_number }),
  });

test("text deltas are forwarded byte for byte, responses get our ids, and [DONE] ends the stream", async () => {
  const { source: events, ends } = source([createdEvent(0)], [delta(1)], [delta(2), completedEvent(3)]);
  expect(dataIn(text(await events.next()))).toMatchObject([
    { sequence_number: 0, response: { id: "resp_ue1_1", previous_response_id: "resp_ue1_0" } },
  ]);
  expect(await events.next()).toEqual(delta(1).frame);
  const last = text(await events.next());
  expect(last.startsWith(text(delta(2).frame ?? null))).toBe(true);
  expect(dataIn(last).at(-1)).toMatchObject({ sequence_number: 3, response: { id: "resp_ue1_1", output_text: "" } });
  expect(last.endsWith("data: [DONE]\n\n")).toBe(true);
  expect(await events.next()).toBeNull();
  expect(ends).toEqual([undefined]);
});

test.each<[string, (number | undefined)[]]>([
  ["have no numbers", [undefined, undefined, undefined, undefined]],
  ["begin with 1", [1, 2, 3, 4]],
  ["are all 0", [0, 0, 0, 0]],
  ["have a gap", [0, 1, 7, 8]],
])("the events of an upstream whose numbers %s are numbered from 0", async (_, [first, second, third, fourth]) => {
  const { source: events } = source([createdEvent(first), delta(second)], [delta(third)], [completedEvent(fourth)]);
  const frames = [text(await events.next()), text(await events.next()), text(await events.next())].join("");
  expect(dataIn(frames).map(({ sequence_number }) => sequence_number)).toEqual([0, 1, 2, 3]);
  expect(dataIn(frames)[2]).toEqual({ ...delta(third).data, sequence_number: 2 });
});

test("a stream that fails says so in an error event and in response.failed, without [DONE], and then breaks its connection", async () => {
  const broken = new Problem("upstream_error", "It broke.", { paid: "maybe" });
  const { source: events, ends } = source([createdEvent(0)], broken);
  await events.next();
  const frames = text(await events.next());
  const error = { message: "It broke.", code: "server_error", param: "" };
  const body = { ...error, type: "server_error", request_id: "req_1", detail_code: "upstream_error" };
  const [errorEvent, failedEvent, ...others] = dataIn(frames);
  expect(errorEvent).toEqual({ type: "error", sequence_number: 1, ...error, error: body });
  expect(failedEvent).toMatchObject({
    type: "response.failed",
    sequence_number: 2,
    response: {
      id: "resp_ue1_1",
      status: "failed",
      output: [{ id: "msg_1" }],
      error: { code: "server_error", message: "It broke." },
    },
  });
  expect(others).toEqual([]);
  expect(frames).not.toContain("[DONE]");
  await expect(events.next()).rejects.toBe(broken);
  expect(ends).toEqual([broken]);
});
