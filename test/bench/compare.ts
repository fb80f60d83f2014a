// Ours against its floor, row by row and round by round: which of the two comes first changes with every round, and both get the same
// requests. Each row has a pair of processes of its own: what one leaves in memory is no part of another's cost. Medians of the rounds'
// ratios, and how far they spread.
import { ROWS, type Row } from "./rows.ts";
import { burst, type Burst } from "./load.ts";
import type { Workerd } from "./processes.ts";
import type { Stage } from "./stage.ts";

const CONCURRENCY = 16;
/** Rounds that are not counted: in the first ones V8 compiles what it then runs, ours and the floor's. */
const WARM_UP_ROUNDS = 3;

export interface Side {
  /** Microseconds of CPU per request. */
  cpuUs: number;
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

export interface Compared {
  row: Row;
  floor: Side;
  ours: Side;
  /** Medians of the rounds. */
  cpu: number;
  throughput: number;
  /** Of the rounds' CPU ratios: the least and the greatest. */
  spread: [number, number];
}

export async function compareRows(
  stage: Stage,
  { rounds, only }: { rounds: number; only: string },
): Promise<Compared[]> {
  const chosen = ROWS.filter(({ name }) => name.includes(only));
  const seen = [];
  for (const row of chosen) {
    const workers = { floor: await stage.anotherFloor(row.floor), ours: await stage.another(row.worker ?? "usual") };
    seen.push({ row, workers, floor: [] as Side[], ours: [] as Side[] });
  }
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const prepared = await stage.prepare();
    for (const { row, workers, floor, ours } of seen) {
      const sides = [
        { worker: workers.floor, into: floor },
        { worker: workers.ours, into: ours },
      ];
      if (round % 2 !== 0) sides.reverse();
      for (const { worker, into } of sides) {
        const side = await measure(worker, row.requests, (n) => row.ask(`${round}-${n}`, prepared));
        if (round >= 0) into.push(side);
      }
    }
    process.stderr.write(round < 0 ? "warming up\n" : `round ${round + 1} of ${rounds}\n`);
  }
  for (const { workers } of seen) await Promise.all([workers.floor.stop(), workers.ours.stop()]);
  return seen.map(({ row, floor, ours }) => {
    const ratios = ours.map((side, n) => side.cpuUs / (floor[n]?.cpuUs ?? NaN));
    return {
      row,
      floor: middle(floor),
      ours: middle(ours),
      cpu: median(ratios),
      throughput: median(ours.map((side, n) => side.perSecond / (floor[n]?.perSecond ?? NaN))),
      spread: [Math.min(...ratios), Math.max(...ratios)],
    };
  });
}

async function measure(worker: Workerd, requests: number, ask: Parameters<typeof burst>[1]): Promise<Side> {
  const before = worker.cpuMs();
  const done = await burst(worker.url, ask, { requests, concurrency: CONCURRENCY });
  return sideOf(done, (worker.cpuMs() - before) * 1_000, requests);
}

function sideOf(done: Burst, cpuUs: number, requests: number): Side {
  return {
    cpuUs: cpuUs / requests,
    perSecond: (requests / done.wallMs) * 1_000,
    p50: quantile(done.total, 0.5),
    p99: quantile(done.total, 0.99),
  };
}

function middle(sides: readonly Side[]): Side {
  const of = (key: keyof Side): number => median(sides.map((side) => side[key]));
  return { cpuUs: of("cpuUs"), perSecond: of("perSecond"), p50: of("p50"), p99: of("p99") };
}

/** @param ascending sorted */
export function quantile(ascending: readonly number[], q: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * q))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
