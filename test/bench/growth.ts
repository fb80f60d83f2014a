// Measures how the cost grows with the length of a stream and with the number of concurrent requests, for our Worker and for the floor.
import { type BenchRequest, burst } from "./load.ts";
import type { Workerd } from "./processes.ts";
import { SERVER_KEY } from "./rows.ts";
import type { Stage } from "./stage.ts";
import { median } from "./compare.ts";

export interface Line {
  name: "floor" | "/v1/responses" | "/ask";
  points: [x: number, y: number][];
}

const LENGTHS = [20, 60, 200, 600, 1_200, 2_000];
const CONCURRENCIES = [1, 4, 16, 64, 128, 256];
const ROUNDS = 3;
/** Events of all streams of one burst together. */
const EVENTS = 12_000;

/** @returns milliseconds of CPU per stream */
export async function measureByLength(stage: Stage): Promise<Line[]> {
  const { stateless } = stage.ours;
  const subjects: { name: Line["name"]; worker: Workerd; path: string }[] = [
    { name: "floor", worker: await stage.sharedFloor("copy"), path: "/v1/responses" },
    { name: "/v1/responses", worker: stateless, path: "/v1/responses" },
    { name: "/ask", worker: stateless, path: "/ask" },
  ];
  return await lines(subjects, LENGTHS, async ({ worker, path }, length, round) => {
    const requests = Math.max(4, Math.ceil(EVENTS / length));
    const ask = (n: number): BenchRequest =>
      requestOf(path, { model: `stream-${length}`, input: `length ${round} ${n}`, stream: true });
    return (await cpuOf(worker, ask, requests, 16)) / requests;
  });
}

/** @returns milliseconds of CPU per answer */
export async function measureByConcurrency(stage: Stage): Promise<Line[]> {
  const subjects: { name: Line["name"]; worker: Workerd; path: string }[] = [
    { name: "floor", worker: await stage.sharedFloor("getTwoPuts"), path: "/ask" },
    { name: "/ask", worker: stage.ours.standard, path: "/ask" },
  ];
  return await lines(subjects, CONCURRENCIES, async ({ worker, path }, concurrency, round) => {
    const requests = 600;
    const ask = (n: number): BenchRequest => requestOf(path, { input: `concurrent ${concurrency} ${round} ${n}` });
    return (await cpuOf(worker, ask, requests, concurrency)) / requests;
  });
}

async function lines<S extends Pick<Line, "name">>(
  subjects: readonly S[],
  xs: readonly number[],
  measure: (subject: S, x: number, round: number) => Promise<number>,
): Promise<Line[]> {
  const samples = subjects.map(() => xs.map(() => [] as number[]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [at, x] of xs.entries()) {
      for (const [index, subject] of subjects.entries()) {
        const y = await measure(subject, x, round);
        if (round >= 0) samples[index]?.[at]?.push(y);
      }
    }
  }
  return subjects.map(({ name }, index) => ({
    name,
    points: xs.map((x, at) => [x, median(samples[index]?.[at] ?? [])]),
  }));
}

function requestOf(path: string, fields: object): BenchRequest {
  return { path, headers: { authorization: `Bearer ${SERVER_KEY}` }, body: JSON.stringify(fields) };
}

async function cpuOf(
  worker: Workerd,
  ask: (n: number) => BenchRequest,
  requests: number,
  concurrency: number,
): Promise<number> {
  const before = worker.cpuMs();
  await burst(worker.url, ask, { requests, concurrency });
  return worker.cpuMs() - before;
}

/** R² of a linear regression: 1 for a straight line. */
export function straightness(points: Line["points"]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const sum = (of: (x: number, y: number) => number): number =>
    points.reduce((all, [x, y]) => all + of(x - mx, y - my), 0);
  const [xy, xx, yy] = [sum((x, y) => x * y), sum((x) => x * x), sum((_, y) => y * y)];
  return xx * yy === 0 ? 1 : (xy * xy) / (xx * yy);
}
