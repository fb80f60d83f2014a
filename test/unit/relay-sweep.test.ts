// Upstream is a crowd of relays. Good streams are broken in every way that a relay breaks one, and the answers are judged: the clients
// accept them, all forms agree, and nothing false is said or kept. SWEEP=1 runs every case instead of a sample, and more random ones.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRelayGateway } from "../support/relay-gateway.ts";
import {
  chunksOf,
  familiesOf,
  HABITS,
  frameOf,
  jsonMutations,
  type Mutation,
  mutationsOf,
  withHabits,
} from "../support/relay-mutations.ts";
import { everyNth, sweep, type SweepCase, type SweepReport } from "../support/relay-sweep.ts";
import { type GoodStream, goodStream, plans, PLANS } from "../support/relay-streams.ts";

const SWEEPS = process.env["SWEEP"] === "1";
/** The same cases in every run of `npm test`. */
const SEED = SWEEPS ? Date.now() : 15;
const LONG = { timeout: 1_800_000 };
const GOOD = PLANS.map(goodStream);

/** Prints at most 20 faults, so that a report can be read. */
function expectNoFaults({ cases, faults }: SweepReport): void {
  const rest = faults.length > 20 ? [`… and ${faults.length - 20} more of ${cases} cases (seed ${SEED})`] : [];
  expect([...faults.slice(0, 20), ...rest].join("\n")).toBe("");
  expect(cases).toBeGreaterThan(0);
}

/** A case for each stream and mutation: of `sample` mutations one, of `every` cases one in every form. */
function* singleMutations(
  mutations: (stream: GoodStream) => Iterable<Mutation>,
  { sample, every }: { sample: number; every: number },
): Generator<SweepCase> {
  let count = 0;
  for (const [at, stream] of GOOD.entries()) {
    for (const mutation of everyNth(mutations(stream), SWEEPS ? 1 : sample, at)) {
      yield {
        description: `${stream.name}: ${mutation.description}`,
        script: { chunks: chunksOf(mutation.apply(stream.events)) },
        truth: stream.truth,
        everyForm: (count += 1) % every === 0,
        mustAnswer: mutation.isHarmless,
      };
    }
  }
}

describe("good streams", () => {
  test("are answered in every form", async () => {
    expectNoFaults(
      await sweep(
        GOOD.map((stream) => ({
          description: stream.name,
          script: { chunks: chunksOf(stream.events) },
          truth: stream.truth,
          everyForm: true,
          mustAnswer: true,
        })),
      ),
    );
  });

  test("are answered with every habit of a relay", LONG, async () => {
    let count = 0;
    expectNoFaults(
      await sweep(
        GOOD.flatMap((stream) =>
          HABITS.map(({ name, ...habits }) => ({
            description: `${stream.name}, ${name}`,
            script: { chunks: chunksOf(withHabits(stream.events, habits), habits) },
            truth: stream.truth,
            everyForm: SWEEPS || (count += 1) % 11 === 0,
            mustAnswer: true,
          })),
        ),
      ),
    );
  });

  test("of any content are answered in every form", LONG, async () => {
    const choice = fc.tuple(plans, fc.constantFrom(...HABITS));
    const cases = fc.sample(choice, { numRuns: SWEEPS ? 2_000 : 40, seed: SEED }).map(([plan, { name, ...habits }]) => {
      const { events, truth } = goodStream(plan);
      return {
        description: `${JSON.stringify(plan.items).slice(0, 400)}, ${name}`,
        script: { chunks: chunksOf(withHabits(events, habits), habits) },
        truth,
        everyForm: true,
        mustAnswer: true,
      };
    });
    expectNoFaults(await sweep(cases));
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

describe("streams with one fault", () => {
  test("are answered as if they were whole, or refused", LONG, async () => {
    expectNoFaults(await sweep(singleMutations(({ events }) => mutationsOf(events), { sample: 23, every: 12 })));
  });
});

describe("streams with one fault in all events", () => {
  test("are answered as if they were whole, or refused", LONG, async () => {
    expectNoFaults(await sweep(families()));
  });
});

function* families(): Generator<SweepCase> {
  let count = 0;
  for (const [at, { name, events, truth }] of GOOD.entries()) {
    for (const { description, isHarmless, apply } of everyNth(familiesOf(events), SWEEPS ? 1 : 4, at)) {
      yield {
        description: `${name}: ${description}`,
        script: { chunks: chunksOf(apply(events)) },
        truth,
        everyForm: (count += 1) % 10 === 0,
        mustAnswer: isHarmless,
      };
    }
  }
}

describe("streams with two faults", () => {
  test("are answered as if they were whole, or refused", LONG, async () => {
    expectNoFaults(await sweep(pairs(SWEEPS ? 20_000 : 300)));
  });
});

/** Two mutations and a habit, at random. */
function* pairs(count: number): Generator<SweepCase> {
  const choice = fc.tuple(
    fc.oneof(fc.constantFrom(...GOOD), plans.map(goodStream)),
    fc.constantFrom(...HABITS),
    fc.nat(),
    fc.nat(),
  );
  for (const [stream, { name, ...habits }, first, second] of fc.sample(choice, { numRuns: count, seed: SEED })) {
    const one = nth([...mutationsOf(stream.events)], first);
    const events = one.apply(stream.events);
    const two = nth([...mutationsOf(events)], second);
    yield {
      description: `${stream.name}, ${name}: ${one.description}; ${two.description}`,
      script: { chunks: chunksOf(withHabits(two.apply(events), habits), habits) },
      // Without its usual name, a terminal event that has lost its status does not say it.
      truth: habits.terminalName === undefined ? stream.truth : { ...stream.truth, status: undefined },
      everyForm: first % 20 === 0,
    };
  }
}

function nth<T>(elements: readonly T[], at: number): T {
  return elements[at % elements.length] ?? expect.fail("no mutation");
}

describe("a JSON response with one fault", () => {
  test("is answered alike in every form", LONG, async () => {
    expectNoFaults(await sweep(jsonCases()));
  });
});

/** Upstream's JSON has no second source for a lost text, so the forms are compared with each other. */
function* jsonCases(): Generator<SweepCase> {
  for (const [at, { name, response }] of GOOD.entries())
    for (const { description, json } of everyNth(jsonMutations(response), SWEEPS ? 1 : 25, at))
      yield { description: `${name}, JSON: ${description}`, script: { json }, truth: undefined, everyForm: true };
}
