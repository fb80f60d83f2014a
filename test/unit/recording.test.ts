// A recording and its playback, without the object between them: what is written down is what is heard, however the bytes are cut.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Question, StreamedAnswer, WholeAnswer } from "../../src/answer/answer.ts";
import { Playback } from "../../src/answer/runs/playback.ts";
import { type RecordingLine, record, type RunSpec } from "../../src/answer/runs/recording.ts";
import { compose } from "../../src/core/request/compose.ts";
import type { JoinRequest } from "../../src/core/request/idempotency.ts";
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
  idFirst: false,
  retries: true,
};
const task: RunSpec = { question, caller: deps.anonymous, requestId: "req_starter" };

async function recorded(
  connect: () => Promise<Deps> = () => Promise.resolve(deps),
): Promise<{ lines: RecordingLine[]; keep: boolean }> {
  const lines: RecordingLine[] = [];
  const { keep } = await record(
    connect,
    task,
    () => undefined,
    (line) => lines.push(line),
  );
  return { lines, keep };
}

const bytesOf = (lines: readonly RecordingLine[]): Uint8Array =>
  new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));

/** @param cuts where the bytes are cut. @param role of the request that listens */
function playback(
  bytes: Uint8Array,
  cuts: readonly number[],
  role: "started" | "joined" = "joined",
): { heard: Playback; context: RequestContext } {
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
  const logFields = { request_id: "req_listener", route: "POST /ask" };
  const context: RequestContext = {
    requestId: "req_listener",
    caller: deps.anonymous,
    signal: new AbortController().signal,
    waitUntil: () => undefined,
    logFields,
  };
  const order: JoinRequest = { fingerprint: "f", existingRun: undefined, run: "r", from: 0, spec: task };
  return { heard: new Playback(deps, "name", order, { role, run: "r", from: 0, stream }, context), context };
}

async function drain(got: WholeAnswer | StreamedAnswer): Promise<{ frames: string[]; finished: unknown }> {
  if (got.kind === "whole") return { frames: [], finished: got.finished };
  const frames: string[] = [];
  for (;;) {
    const { events, finished } = await got.next();
    frames.push(...events.map(({ frame }) => new TextDecoder().decode(frame)));
    if (finished !== undefined) return { frames, finished };
  }
}

test("cut anywhere, the recording plays the frames that were recorded and the same end", async () => {
  const { lines, keep } = await recorded();
  expect(keep).toBe(true);
  const frames = lines.flatMap((line) => ("frames" in line ? line.frames : []));
  const finished = lines.flatMap((line) =>
    "finished" in line ? [JSON.parse(JSON.stringify(line.finished)) as object] : [],
  )[0];
  expect(frames.length).toBeGreaterThan(2);
  const bytes = bytesOf(lines);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 40 }), async (cuts) => {
      expect(await drain(await playback(bytes, cuts).heard.streamed())).toEqual({ frames, finished });
      expect((await playback(bytes, cuts).heard.whole()).finished).toEqual(finished);
    }),
    { numRuns: 60 },
  );
});

test("only the request that started it learns what it cost", async () => {
  const bytes = bytesOf((await recorded()).lines);
  const started = playback(bytes, [], "started");
  const joined = playback(bytes, []);
  await started.heard.whole();
  await joined.heard.whole();
  expect(started.context.logFields).toMatchObject({
    request_id: "req_listener",
    route: "POST /ask",
    asked: true,
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

test("a failure is written down with all that its answer needs, and kept if it may have been paid", async () => {
  const failing = (problem: Problem): Promise<Deps> =>
    Promise.resolve({ ...deps, upstream: { ...deps.upstream, create: () => Promise.reject(problem) } });
  for (const [paid, keep] of [
    ["maybe", true],
    ["unpaid", false],
  ] as const) {
    const problem = new Problem("upstream_rate_limited", "slow down", { paid, retryAfter: 7, reason: "r", param: "p" });
    const made = await recorded(() => failing(problem));
    expect(made.keep).toBe(keep);
    const heard = await playback(bytesOf(made.lines), [3])
      .heard.streamed()
      .catch((error: unknown) => error);
    expect(heard).toBeInstanceOf(Problem);
    expect((heard as Problem).body("x")).toEqual(problem.body("x"));
    expect((heard as Problem).headers()).toEqual(problem.headers());
  }
});

test("settings that are wrong where the flight runs are told to all who listen, and nothing is kept", async () => {
  const { lines, keep } = await recorded(() => Promise.reject(new Problem("misconfigured", "no", { reason: "X" })));
  expect([lines, keep]).toMatchObject([[{ problem: { code: "misconfigured" } }], false]);
});

test("an error of our own after upstream was asked may have been paid, and says nothing of itself", async () => {
  const broken: Deps = {
    ...deps,
    upstream: { ...deps.upstream, create: () => Promise.reject(new TypeError("secret")) },
  };
  const { lines, keep } = await recorded(() => Promise.resolve(broken));
  expect(keep).toBe(true);
  expect(lines).toMatchObject([{ problem: { code: "internal_error", details: { paid: "maybe" } } }]);
  expect(JSON.stringify(lines)).not.toContain("secret");
});
