// The rows of docs/contract.md §9 that compare one request with a floor, and further rows that show the cost of a feature.
import type { Floor } from "./floors.ts";
import type { BenchRequest } from "./load.ts";
import type { WorkerKind } from "./stage.ts";

export const SERVER_KEY = "sk_bench_Vq7hTz2mWc9LxR4b";
const auth = { authorization: `Bearer ${SERVER_KEY}` };

/** Data that exists before the requests of a row. */
export interface Prepared {
  /** Id of a turn to continue. */
  parent: string;
  /** Session token of a caller with budgets. */
  session: string;
}

export interface Row {
  name: string;
  floor: Floor;
  /** Shown in the report. */
  floorDescription: string;
  /** Which Worker of the stage; default `standard`. */
  worker?: WorkerKind;
  /** The nth request; the floor gets the same. */
  ask: (n: string, prepared: Prepared) => BenchRequest;
  requests: number;
  /** Limits of docs/contract.md §9, where it has one. */
  cpuAtMost?: number;
  throughputAtLeast?: number;
}

const WORDS = "What do people mean when they say that a thing is as if it were not there? ".repeat(3);

function responses(fields: object, headers: object = {}): BenchRequest {
  return { path: "/v1/responses", headers: { ...auth, ...headers }, body: JSON.stringify(fields) };
}

function ask(fields: object, headers: object = {}): BenchRequest {
  return { path: "/ask", headers: { ...auth, ...headers }, body: JSON.stringify(fields) };
}

const LONG = "All work and no play. ".repeat(9_300);

export const ROWS: readonly Row[] = [
  {
    name: "`/v1/responses` JSON, turns off",
    floor: "pass",
    floorDescription: "replaces the key, passes the body through",
    worker: "stateless",
    ask: (n) => responses({ model: "json", input: WORDS + n }),
    requests: 2_000,
    cpuAtMost: 1.5,
    throughputAtLeast: 0.75,
  },
  {
    name: "`/v1/responses` JSON, turns on",
    floor: "onePut",
    floorDescription: "+ one KV put",
    ask: (n) => responses({ model: "json", input: WORDS + n }),
    requests: 1_500,
    cpuAtMost: 1.4,
  },
  {
    name: "`/ask` JSON, turns and cache on",
    floor: "getTwoPuts",
    floorDescription: "+ one KV get, two puts",
    ask: (n) => ask({ input: WORDS + n }),
    requests: 1_000,
    cpuAtMost: 1.4,
    throughputAtLeast: 0.75,
  },
  {
    name: "follow-up on `/ask`, turns and cache on",
    floor: "bulkGetTwoPuts",
    floorDescription: "the same with a bulk get",
    ask: (n, { parent }) => ask({ input: WORDS + n, previous_response_id: parent }),
    requests: 1_000,
    cpuAtMost: 1.5,
  },
  {
    name: "answer-cache hit",
    floor: "oneGet",
    floorDescription: "answers from one KV get",
    ask: () => ask({ input: WORDS }),
    requests: 2_000,
    cpuAtMost: 1.25,
  },
  {
    name: "60-event stream, `/v1/responses`, turns off",
    floor: "copy",
    floorDescription: "copies chunk by chunk in JavaScript",
    worker: "stateless",
    ask: (n) => responses({ model: "stream-60", input: WORDS + n, stream: true }),
    requests: 300,
    cpuAtMost: 1.3,
  },
  {
    name: "60-event stream, `/ask`, turns off",
    floor: "copy",
    floorDescription: "copies chunk by chunk in JavaScript",
    worker: "stateless",
    ask: (n) => ask({ model: "stream-60", input: WORDS + n, stream: true }),
    requests: 300,
    cpuAtMost: 1.6,
  },
  {
    name: "60-event stream, paced 10 ms, `/v1/responses`, turns off",
    floor: "copy",
    floorDescription: "copies chunk by chunk in JavaScript",
    worker: "stateless",
    ask: (n) => responses({ model: "paced-60", input: WORDS + n, stream: true }),
    requests: 64,
  },
  {
    name: "60-event stream, paced 10 ms, `/ask`, turns off",
    floor: "copy",
    floorDescription: "copies chunk by chunk in JavaScript",
    worker: "stateless",
    ask: (n) => ask({ model: "paced-60", input: WORDS + n, stream: true }),
    requests: 64,
  },
  {
    name: "2,000-event stream, `/v1/responses`, turns off",
    floor: "copy",
    floorDescription: "copies chunk by chunk in JavaScript",
    worker: "stateless",
    ask: (n) => responses({ model: "stream-2000", input: WORDS + n, stream: true }),
    requests: 20,
  },
  {
    name: "2,000-event stream, `/ask`, turns off",
    floor: "copy",
    floorDescription: "copies chunk by chunk in JavaScript",
    worker: "stateless",
    ask: (n) => ask({ model: "stream-2000", input: WORDS + n, stream: true }),
    requests: 20,
  },
  {
    name: "200 KB of input, `/v1/responses` JSON, turns off",
    floor: "pass",
    floorDescription: "replaces the key, passes the body through",
    worker: "stateless",
    ask: (n) => responses({ model: "json", input: LONG + n }),
    requests: 200,
  },
  {
    name: "`/ask` JSON of a session with two budgets, turns and cache on",
    floor: "budgets",
    floorDescription: "holds in two objects before, settles after; no KV",
    ask: (n, { session }) => ask({ input: WORDS + n }, { authorization: `Bearer ${session}` }),
    requests: 400,
  },
  {
    name: "`/ask` JSON with an Idempotency-Key (a Run)",
    floor: "run",
    floorDescription: "an object calls upstream and stores the answer; no KV",
    ask: (n) => ask({ input: WORDS + n }, { "idempotency-key": `bench-${n}` }),
    requests: 300,
  },
];
