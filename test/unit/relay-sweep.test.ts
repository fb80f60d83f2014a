// Upstream may be any of many relays. Good streams are broken in every way that a relay breaks one, and the answers are judged: the clients
// accept them, all forms agree, and nothing false is sent or stored. SWEEP=1 runs every case instead of a sample, and more random ones.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRelayGateway } from "../support/relay-gateway.ts";
import {
  chunksOf,
  familiesOf,
  frameOf,
  type Habits,
  HABITS,
  jsonMutations,
  type MutationKind,
  mutationsOf,
  withHabits,
} from "../support/relay-mutations.ts";
import { everyNth, sweep, type SweepCase, type SweepReport } from "../support/relay-sweep.ts";
import {
  type GoodStream,
  goodStream,
  type JsonObject,
  plans,
  PLANS,
  type RelayEvent,
} from "../support/relay-streams.ts";

const SWEEPS = process.env["SWEEP"] === "1";
/** The random cases are the same in every run of `npm test`. */
const SEED = SWEEPS ? Date.now() : 15;
const LONG = { timeout: 3_600_000 };
const GOOD = PLANS.map(goodStream);
/** The ways in which a stream with one fault is written. */
const WAYS: readonly Habits[] = [{}, { numbers: "anew" }, { numbers: "none", chunkBytes: 1_000_000 }];

/** Prints at most 20 faults, so that a report can be read. */
function expectNoFaults({ cases, faults }: SweepReport): void {
  const head = faults.length === 0 ? [] : [`${faults.length} of ${cases} cases, seed ${SEED}`];
  expect([...head, ...faults.slice(0, 20)].join("\n")).toBe("");
  expect(cases).toBeGreaterThan(0);
}

function caseOf(
  { name, truth }: GoodStream,
  fault: string,
  events: readonly RelayEvent[],
  habits: Habits,
  options: Pick<SweepCase, "everyForm" | "mustAnswer">,
): SweepCase {
  const description = `${name.slice(0, 300)}, ${fault}`;
  return { description, script: { chunks: chunksOf(withHabits(events, habits), habits) }, truth, ...options };
}

describe("good streams", () => {
  test("are answered, whatever habits the relay has", LONG, async () => {
    expectNoFaults(await sweep(habits()));
  });

  test("of any content are answered in every form", LONG, async () => {
    expectNoFaults(await sweep(anyContent(SWEEPS ? 2_000 : 15)));
  });

  test("pass their text deltas byte for byte on /v1/responses", async () => {
    const gateway = await createRelayGateway();
    for (const { name, events } of GOOD.filter((stream) => !stream.name.includes("surrogates"))) {
      gateway.script({ chunks: chunksOf(events) });
      const response = await gateway.fetch("/v1/responses", { body: { input: "Hi", stream: true } });
      const frames = new Set((await response.text()).split(/(?<=\n\n)/));
      for (const event of events.filter(({ line }) => line === "response.output_text.delta"))
        expect(frames, name).toContain(frameOf(event));
    }
  });
});

function* habits(): Generator<SweepCase> {
  let count = 0;
  for (const stream of GOOD) {
    for (const [at, { name, ...one }] of HABITS.entries()) {
      count += 1;
      if (!SWEEPS && at > 0 && count % 4 !== 0) continue;
      const everyForm = SWEEPS || at === 0 || count % 12 === 0;
      yield caseOf(stream, name, stream.events, one, { everyForm, mustAnswer: true });
    }
  }
}

function* anyContent(count: number): Generator<SweepCase> {
  const choice = fc.tuple(plans, fc.constantFrom(...HABITS));
  for (const [plan, { name, ...one }] of fc.sample(choice, { numRuns: count, seed: SEED })) {
    const stream = goodStream(plan);
    yield caseOf(stream, name, stream.events, one, { everyForm: true, mustAnswer: true });
  }
}

describe("a stream with a fault is answered as if it were whole, or refused", () => {
  test("with one event or field left out, doubled, moved, renamed or changed", LONG, async () => {
    expectNoFaults(await sweep(singleFaults()));
  });

  test("with the same fault in all events", LONG, async () => {
    expectNoFaults(await sweep(families()));
  });

  test("with two faults", LONG, async () => {
    expectNoFaults(await sweep(pairs(SWEEPS ? 20_000 : 120)));
  });
});

/** `npm test` runs one of so many mutations of a kind. */
const STRIDE: Readonly<Record<MutationKind, number>> = {
  "event removed": 1,
  "event doubled": 2,
  "event moved": 141,
  "event renamed": 141,
  "field removed": 9,
  "field null": 121,
  "field emptied": 121,
  "field renamed": 121,
  "field of another type": 121,
};

/** Faults that were answered wrongly once. They always run. */
const FOUND: ReadonlySet<string> = new Set([
  "one delta, event 4 (response.output_text.delta) renamed to response.done",
  "one delta, event 5 (response.output_text.done) renamed to response.reasoning_summary_text.done",
  "one delta, event 7 (response.output_item.done) moved to 3",
  "three deltas, event 0 (response.created) renamed to response.completed",
  "three deltas, event 9 (response.output_item.done) renamed to response.audio.delta",
  "two messages, event 11 (response.output_text.delta) moved to 2",
  "a refusal, event 3 (response.content_part.added): part.type of another type",
  "a refusal, event 7 (response.content_part.done): part renamed",
  "a refusal, event 9 (response.completed): response.output.0.content.0.type removed",
  "one call, event 3 (response.function_call_arguments.delta) moved to 5",
  "one call, event 5 (response.function_call_arguments.done) renamed to response.custom_tool_call_input.done",
  "parallel calls, event 6 (response.output_item.added) moved to 0",
  "parallel calls, event 7 (response.function_call_arguments.delta) removed",
  "parallel calls, event 9 (response.function_call_arguments.done): arguments of another type",
  "parallel calls, event 10 (response.output_item.done): item.arguments of another type",
  "a custom tool's call, event 4 (response.custom_tool_call_input.delta) renamed to response.output_text.delta",
  "a message, then a call, event 9 (response.output_item.added): item.call_id emptied",
  "a message, then a call, event 9 (response.output_item.added): item.name of another type",
  "commentary, then the answer, event 2 (response.output_item.added) removed",
  "commentary, then the answer, event 9 (response.output_item.added): item.phase emptied",
]);

test("every fault of FOUND is among the mutations", () => {
  const all = new Set(
    GOOD.flatMap(({ name, events }) => [...mutationsOf(events)].map(({ description }) => `${name}, ${description}`)),
  );
  expect([...FOUND].filter((description) => !all.has(description))).toEqual([]);
});

function* singleFaults(): Generator<SweepCase> {
  const seen = new Map<MutationKind, number>();
  let count = 0;
  for (const stream of GOOD) {
    for (const { kind, description, isHarmless, apply } of mutationsOf(stream.events)) {
      const at = seen.get(kind) ?? 0;
      seen.set(kind, at + 1);
      const isFound = FOUND.has(`${stream.name}, ${description}`);
      if (!SWEEPS && !isFound && at % STRIDE[kind] !== 0) continue;
      count += 1;
      for (const [way, one] of WAYS.entries())
        if (SWEEPS || count % WAYS.length === way)
          yield caseOf(stream, `${JSON.stringify(one)}: ${description}`, apply(stream.events), one, {
            everyForm: isFound || count % 25 === 0,
            mustAnswer: isHarmless,
          });
    }
  }
}

function* families(): Generator<SweepCase> {
  let count = 0;
  for (const [at, stream] of GOOD.entries()) {
    for (const { description, isHarmless, apply } of everyNth(familiesOf(stream.events), SWEEPS ? 1 : 12, at)) {
      const everyForm = (count += 1) % 16 === 0;
      yield caseOf(stream, description, apply(stream.events), {}, { everyForm, mustAnswer: isHarmless });
    }
  }
}

/** Two mutations and a habit, at random. */
function* pairs(count: number): Generator<SweepCase> {
  const streams = fc.oneof(fc.constantFrom(...GOOD), plans.map(goodStream));
  const choice = fc.tuple(streams, fc.constantFrom(...HABITS), fc.nat(), fc.nat());
  for (const [good, { name, ...one }, firstAt, secondAt] of fc.sample(choice, { numRuns: count, seed: SEED })) {
    const first = nth([...mutationsOf(good.events)], firstAt);
    const events = first.apply(good.events);
    const second = nth([...mutationsOf(events)], secondAt);
    const broken = withHabits(second.apply(events), one);
    yield {
      description: `${good.name.slice(0, 300)}, ${name}: ${first.description}; ${second.description}`,
      script: { chunks: chunksOf(broken, one) },
      // A terminal event that has lost both its usual name and its status doesn't reveal the status.
      truth: endsEarly(broken, good)
        ? undefined
        : { ...good.truth, status: one.terminalName === undefined ? good.truth.status : undefined },
      everyForm: firstAt % 20 === 0,
    };
  }
}

/** Whether a terminal event without the whole output comes before other events. Then nothing shows that there is more. */
function endsEarly(events: readonly RelayEvent[], { response }: GoodStream): boolean {
  const at = events.findIndex(({ line }) => /^response\.(?:completed|incomplete|done)$/.test(line));
  const ended = events[at]?.data["response"] as JsonObject | null | undefined;
  return at < events.length - 1 && JSON.stringify(ended?.["output"]) !== JSON.stringify(response["output"]);
}

function nth<T>(elements: readonly T[], at: number): T {
  return elements[at % elements.length] ?? expect.fail("no mutation");
}

test("a JSON response with a fault is answered alike in every form", LONG, async () => {
  expectNoFaults(await sweep(jsonFaults()));
});

/** Upstream's JSON has no second source for a lost text, so the forms are compared with each other. */
function* jsonFaults(): Generator<SweepCase> {
  for (const [at, { name, response }] of GOOD.entries())
    for (const { description, json } of everyNth(jsonMutations(response), SWEEPS ? 1 : 100, at))
      yield { description: `${name}, JSON: ${description}`, script: { json }, truth: undefined, everyForm: true };
}
