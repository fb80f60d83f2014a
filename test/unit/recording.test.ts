// A recording and its playback without the Durable Object between them: it plays exactly the events that were recorded, however the bytes are cut.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Question } from "../../src/answer/answer.ts";
import { Playback } from "../../src/answer/runs/playback.ts";
import { record, type RecordingLine, type RunSpec } from "../../src/answer/runs/recording.ts";
import { readAskReply, readResponsesReply, type ReplyOptions } from "../../src/answer/runs/reply.ts";
import type { AskEvent } from "../../src/contract/answer.ts";
import { compose } from "../../src/core/request/compose.ts";
import type { JoinRequest } from "../../src/core/request/run.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import type { Deps, RequestContext } from "../../src/deps.ts";
import { createHarness } from "../support/answer-harness.ts";

const { deps } = await createHarness();
const question: Question = {
  composed: compose({ input: "Ünïcödé 👩‍👩‍👧 \u2028 \n\n data: x" }, deps.config),
  previousId: undefined,
  cache: false,
  cacheControl: { noStore: false, noCache: false, maxAge: undefined },
  cacheByDefault: false,
  metadata: undefined,
  stream: true,
  live: "text",
  retryIfBusy: true,
};

async function recordRun(
  form: RunSpec["form"],
  loadDeps: () => Promise<Deps> = () => Promise.resolve(deps),
): Promise<{ lines: RecordingLine[]; isFinal: boolean }> {
  const lines: RecordingLine[] = [];
  const { isFinal } = await record(
    loadDeps,
    { form, question, caller: deps.anonymous, requestId: "req_starter" },
    () => undefined,
    (line) => lines.push(line),
  );
  return { lines, isFinal };
}

const bytesOf = (lines: readonly RecordingLine[]): Uint8Array =>
  new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));

/** @param cuts where the bytes are cut. @param role the role of the request that reads */
function playbackOf(
  bytes: Uint8Array,
  cuts: readonly number[],
  role: "started" | "joined" = "joined",
): { playback: Playback; context: RequestContext } {
  const ends = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])]
    .toSorted((a, b) => a - b)
    .filter((end) => end > 0);
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const end = ends.shift();
      if (end === undefined) controller.close();
      else controller.enqueue(bytes.subarray(at, (at = end)));
    },
  });
  const context: RequestContext = {
    requestId: "req_reader",
    caller: deps.anonymous,
    signal: new AbortController().signal,
    waitUntil: () => undefined,
    logFields: { request_id: "req_reader", route: "POST /ask" },
  };
  const request: JoinRequest = { fingerprint: "f", existingRun: undefined, run: "r", from: 0, spec: {} };
  return { playback: new Playback(deps, "name", request, { role, run: "r", from: 0, stream }, context), context };
}

const options = (stream: boolean): ReplyOptions => ({
  stream,
  requestId: "req_reader",
  now: deps.now,
});

test("cut anywhere, a recording for /v1/responses plays the frames that were recorded and the same end", async () => {
  const { lines, isFinal } = await recordRun("responses");
  expect(isFinal).toBe(true);
  const frames = lines.flatMap((line) => ("frames" in line ? line.frames : []));
  const [finished] = lines.flatMap((line) => ("finished" in line ? [asJson(line.finished)] : []));
  expect(frames.length).toBeGreaterThan(2);
  const bytes = bytesOf(lines);
  const playAll = async (playback: Playback): Promise<{ frames: string[]; finished: unknown }> => {
    const reply = await readResponsesReply(playback, options(true));
    if (reply.kind === "whole") throw new Error("no stream");
    const texts: string[] = [];
    for (;;) {
      const batch = await reply.next();
      texts.push(...batch.events.map(({ frame }) => new TextDecoder().decode(frame)));
      if (batch.finished !== undefined) return { frames: texts, finished: batch.finished };
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 40 }), async (cuts) => {
      expect(await playAll(playbackOf(bytes, cuts).playback)).toEqual({ frames, finished });
      expect(await readResponsesReply(playbackOf(bytes, cuts).playback, options(false))).toMatchObject({ finished });
    }),
    { numRuns: 60 },
  );
});

test("cut anywhere, a recording for /ask plays the events that were recorded, with the reader's request id", async () => {
  const { lines, isFinal } = await recordRun("ask");
  expect(isFinal).toBe(true);
  const events = lines
    .flatMap((line) => ("events" in line ? line.events : []))
    .map((event) =>
      event.event === "start" ? { ...event, data: { ...event.data, request_id: "req_reader" } } : event,
    );
  expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(["start", "text", "done"]));
  const bytes = bytesOf(lines);
  const playAll = async (playback: Playback): Promise<AskEvent[]> => {
    const reply = await readAskReply(playback, options(true));
    if (reply.kind === "whole") return reply.events();
    const all: AskEvent[] = [];
    for (;;) {
      const batch = await reply.next();
      all.push(...batch.events);
      if (batch.end !== undefined) return all;
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 40 }), async (cuts) => {
      expect(await playAll(playbackOf(bytes, cuts).playback)).toEqual(asJson(events));
      const jsonReply = await readAskReply(playbackOf(bytes, cuts).playback, options(false));
      expect(jsonReply).toMatchObject({ kind: "whole", answer: asJson(events.at(-1)?.data) });
    }),
    { numRuns: 60 },
  );
});

test("a recording for /v1/responses can't be read as a stream of /ask", async () => {
  const bytes = bytesOf((await recordRun("responses")).lines);
  const reply = await readAskReply(playbackOf(bytes, []).playback, options(true));
  if (reply.kind === "whole") throw new Error("no stream");
  await expect(reply.next()).rejects.toMatchObject({ code: "stream_lost" });
});

test.each(["ask", "responses"] as const)("only the request that started a run logs its cost: %s", async (form) => {
  const bytes = bytesOf((await recordRun(form)).lines);
  const started = playbackOf(bytes, [], "started");
  const joined = playbackOf(bytes, []);
  const read = form === "ask" ? readAskReply : readResponsesReply;
  await read(started.playback, options(false));
  await read(joined.playback, options(false));
  expect(started.context.logFields).toMatchObject({
    request_id: "req_reader",
    route: "POST /ask",
    upstream_called: true,
    output_tokens: 1,
    cache: "bypass",
  });
  expect(Object.keys(joined.context.logFields).toSorted()).toEqual([
    "model",
    "preset",
    "request_id",
    "response_id",
    "route",
  ]);
});

test("a failure is recorded with all that its response needs, and is final if it may have been paid", async () => {
  const failWith = (problem: Problem): Promise<Deps> =>
    Promise.resolve({ ...deps, upstream: { ...deps.upstream, create: () => Promise.reject(problem) } });
  for (const [paid, isFinal] of [
    ["maybe", true],
    ["unpaid", false],
  ] as const) {
    const problem = new Problem("upstream_rate_limited", "slow down", { paid, retryAfter: 7, reason: "r", param: "p" });
    const failed = await recordRun("ask", () => failWith(problem));
    expect(failed.isFinal).toBe(isFinal);
    const thrown = await readAskReply(playbackOf(bytesOf(failed.lines), [3]).playback, options(true)).catch(
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(Problem);
    expect((thrown as Problem).body("x")).toEqual(problem.body("x"));
    expect((thrown as Problem).headers()).toEqual(problem.headers());
  }
});

test("a misconfiguration in the run's object is reported to every reader, and is not final", async () => {
  const { lines, isFinal } = await recordRun("ask", () =>
    Promise.reject(new Problem("misconfigured", "no", { reason: "X" })),
  );
  expect([lines, isFinal]).toMatchObject([[{ problem: { code: "misconfigured" } }], false]);
});

test("an internal error after the upstream call may have been paid, and its text is not recorded", async () => {
  const broken: Deps = {
    ...deps,
    upstream: { ...deps.upstream, create: () => Promise.reject(new TypeError("secret")) },
  };
  const { lines, isFinal } = await recordRun("ask", () => Promise.resolve(broken));
  expect(isFinal).toBe(true);
  expect(lines).toMatchObject([{ problem: { code: "internal_error", details: { paid: "maybe" } } }]);
  expect(JSON.stringify(lines)).not.toContain("secret");
});

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
