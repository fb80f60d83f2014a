// Compares the Worker with its floor, row by row and round by round. Both get requests of the same length, and the order of the two changes with
// every round. Each row has its own pair of processes, so the garbage of one row doesn't count for another. The result is the median
// and the spread of the rounds' ratios.
import { ROWS, type Row } from "./rows.ts";
import { burst, type Burst } from "./load.ts";
import type { Workerd } from "./processes.ts";
import type { Stage } from "./stage.ts";

const CONCURRENCY = 16;
/** Rounds that don't count. In the first rounds V8 compiles the code of both Workers. */
const WARM_UP_ROUNDS = 3;

export interface Side {
  /** Microseconds of CPU per request. */
  cpuUs: number;
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

export interface RowResult {
  row: Row;
  floor: Side;
  ours: Side;
  /** Ratios, ours to the floor's: medians of the rounds. */
  cpu: number;
  throughput: number;
  /** The lowest and the highest CPU ratio of the rounds. */
  spread: [number, number];
}

export async function compareRows(
  stage: Stage,
  {
    rounds,
    only,
    reference = (row) => stage.startFloor(row.floor),
  }: { rounds: number; only: string; reference?: (row: Row) => Promise<Workerd> },
): Promise<RowResult[]> {
  const chosen = ROWS.filter(({ name }) => name.includes(only));
  const samples = [];
  for (const row of chosen) {
    const workers = { floor: await reference(row), ours: await stage.startOurs(row.worker ?? "standard") };
    samples.push({ row, workers, floor: [] as Side[], ours: [] as Side[] });
  }
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const prepared = await stage.prepare();
    for (const { row, workers, floor, ours } of samples) {
      const sides = [
        { worker: workers.floor, sink: floor, name: "a" },
        { worker: workers.ours, sink: ours, name: "b" },
      ];
      if (round % 2 !== 0) sides.reverse();
      // Each side has its own questions: with `--against` both share the KV, and the second would find the first one's answers in the cache.
      for (const { worker, sink, name } of sides) {
        const side = await measure(worker, row.requests, (n) => row.ask(`${round}-${name}-${n}`, prepared));
        if (round >= 0) sink.push(side);
      }
    }
    process.stderr.write(round < 0 ? "warming up\n" : `round ${round + 1} of ${rounds}\n`);
  }
  for (const { workers } of samples) await Promise.all([workers.floor.stop(), workers.ours.stop()]);
  return samples.map(({ row, floor, ours }) => {
    const ratios = ours.map((side, n) => side.cpuUs / (floor[n]?.cpuUs ?? NaN));
    return {
      row,
      floor: medians(floor),
      ours: medians(ours),
      cpu: median(ratios),
      throughput: median(ours.map((side, n) => side.perSecond / (floor[n]?.perSecond ?? NaN))),
      spread: [Math.min(...ratios), Math.max(...ratios)],
    };
  });
}

async function measure(worker: Workerd, requests: number, ask: Parameters<typeof burst>[1]): Promise<Side> {
  const before = worker.cpuMs();
  const result = await burst(worker.url, ask, { requests, concurrency: CONCURRENCY });
  return sideOf(result, (worker.cpuMs() - before) * 1_000, requests);
}

function sideOf(result: Burst, cpuUs: number, requests: number): Side {
  return {
    cpuUs: cpuUs / requests,
    perSecond: (requests / result.wallMs) * 1_000,
    p50: quantile(result.total, 0.5),
    p99: quantile(result.total, 0.99),
  };
}

function medians(sides: readonly Side[]): Side {
  const of = (key: keyof Side): number => median(sides.map((side) => side[key]));
  return { cpuUs: of("cpuUs"), perSecond: of("perSecond"), p50: of("p50"), p99: of("p99") };
}

/** @param ascending values in ascending order */
export function quantile(ascending: readonly number[], q: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * q))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
