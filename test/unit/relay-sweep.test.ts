// Upstream is a crowd of relays. Good streams are broken in every way that a relay breaks one, and the answers are judged: the clients
// accept them, all forms agree, and nothing false is said or kept. SWEEP=1 runs every case instead of a sample, and more random ones.
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
import { type GoodStream, goodStream, plans, PLANS, type RelayEvent } from "../support/relay-streams.ts";

const SWEEPS = process.env["SWEEP"] === "1";
/** The random cases are the same in every run of `npm test`. */
const SEED = SWEEPS ? Date.now() : 15;
const LONG = { timeout: 3_600_000 };
const GOOD = PLANS.map(goodStream);
/** A stream with one fault may come in these ways. */
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
  test("are answered with every habit of a relay", LONG, async () => {
    expectNoFaults(await sweep(habits()));
  });

  test("of any content are answered in every form", LONG, async () => {
    expectNoFaults(await sweep(anyContent(SWEEPS ? 2_000 : 40)));
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
      const everyForm = SWEEPS || at === 0 || (count += 1) % 14 === 0;
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
    expectNoFaults(await sweep(pairs(SWEEPS ? 20_000 : 300)));
  });
});

/** Of so many mutations of a kind, `npm test` takes one. */
const STRIDE: Readonly<Record<MutationKind, number>> = {
  "event removed": 1,
  "event doubled": 1,
  "event moved": 60,
  "event renamed": 60,
  "field removed": 5,
  "field null": 40,
  "field emptied": 40,
  "field renamed": 40,
  "field of another type": 40,
};

function* singleFaults(): Generator<SweepCase> {
  const seen = new Map<MutationKind, number>();
  let count = 0;
  for (const stream of GOOD) {
    for (const { kind, description, isHarmless, apply } of mutationsOf(stream.events)) {
      const at = seen.get(kind) ?? 0;
      seen.set(kind, at + 1);
      if (!SWEEPS && at % STRIDE[kind] !== 0) continue;
      count += 1;
      for (const [way, one] of WAYS.entries())
        if (SWEEPS || count % WAYS.length === way)
          yield caseOf(stream, `${JSON.stringify(one)}: ${description}`, apply(stream.events), one, {
            everyForm: count % 17 === 0,
            mustAnswer: isHarmless,
          });
    }
  }
}

function* families(): Generator<SweepCase> {
  let count = 0;
  for (const [at, stream] of GOOD.entries()) {
    for (const { description, isHarmless, apply } of everyNth(familiesOf(stream.events), SWEEPS ? 1 : 4, at)) {
      const everyForm = (count += 1) % 12 === 0;
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
    // Without its usual name, a terminal event that has lost its status does not say it.
    const status = one.terminalName === undefined ? good.truth.status : undefined;
    const stream = { ...good, truth: { ...good.truth, status } };
    yield caseOf(stream, `${name}: ${first.description}; ${second.description}`, second.apply(events), one, {
      everyForm: firstAt % 20 === 0,
    });
  }
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
    for (const { description, json } of everyNth(jsonMutations(response), SWEEPS ? 1 : 25, at))
      yield { description: `${name}, JSON: ${description}`, script: { json }, truth: undefined, everyForm: true };
}
