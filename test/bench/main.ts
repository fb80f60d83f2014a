// npm run bench [-- --rounds N] [--only TEXT] [--peers] [--write]: compares the production bundle in plain workerd with Workers of a few
// lines that make the same outside calls (docs/contract.md §9). Runs on loopback and takes some minutes. `--only` compares the rows whose
// name contains the text, and measures nothing else. `--against DIR` compares the rows with another checkout of this project (with its
// node_modules) in place of the floors. `--peers` adds another gateway. `--write` puts the findings into docs/performance.md.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { measureChains } from "./chains.ts";
import { type RowResult, compareRows } from "./compare.ts";
import { measureFirstByte } from "./first-byte.ts";
import { measureByConcurrency, measureByLength, type Line } from "./growth.ts";
import { measureOpenStreams } from "./open-streams.ts";
import { measurePeers } from "./peers.ts";
import { measurePieces } from "./pieces.ts";
import { plot } from "./plot.ts";
import { type Findings, report, withFindings } from "./report.ts";
import { measureSlowKv } from "./slow-kv.ts";
import type { Workerd } from "./processes.ts";
import type { Row } from "./rows.ts";
import { type Stage, startStage } from "./stage.ts";
import { measureStartUp } from "./start-up.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const CHAINS = [1, 10, 25, 50, 100];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    only: { type: "string" },
    against: { type: "string" },
    peers: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const logProgress = (text: string): void => void process.stderr.write(`${text}\n`);

const stage = await startStage();
const { only, against } = values;
if (against !== undefined) {
  const start = stage.starterOf(resolve(against));
  const reference = (row: Row): Promise<Workerd> => start(row.worker ?? "standard");
  for (const row of await compareRows(stage, { rounds, only: only ?? "", reference })) console.log(formatRow(row));
} else if (only === undefined) await runAll(stage);
else for (const row of await compareRows(stage, { rounds, only })) console.log(formatRow(row));
process.exit(0);

async function runAll(on: Stage): Promise<void> {
  const rows = await compareRows(on, { rounds, only: "" });
  logProgress("first bytes, open streams, start-up, single runtime calls, chains, a slow KV, growth");
  const firstByte = await measureFirstByte(on);
  const openStreams = await measureOpenStreams(on);
  const startUp = await measureStartUp(on);
  const pieces = await measurePieces(on);
  const chains = await measureChains(on, CHAINS);
  const slowKv = await measureSlowKv(on);
  const length = await measureByLength(on);
  const concurrency = await measureByConcurrency(on);
  const chain: Line[] = [
    { name: "/ask", points: chains.map(({ turns, cpuUs }): [number, number] => [turns, cpuUs / 1_000]) },
  ];
  const peers = values.peers ? await measurePeers(on) : undefined;
  const growth = [
    { name: "an event of a stream", lines: length },
    { name: "a turn of a chain", lines: chain },
  ];
  const findings: Findings = { rounds, rows, firstByte, openStreams, chains, startUp, pieces, slowKv, growth, peers };
  console.log(report(findings));
  if (!values.write) return;
  const page = join(DOCS, "performance.md");
  writeFileSync(page, withFindings(readFileSync(page, "utf8"), findings));
  const charts = [
    { title: "Length of a stream", x: "events", y: "ms of CPU per stream", lines: length },
    { title: "Length of a chain", x: "turns replayed", y: "ms of CPU per follow-up", lines: chain },
    { title: "Concurrent requests", x: "concurrent requests", y: "ms of CPU per request", lines: concurrency },
  ];
  writeFileSync(join(DOCS, "images/performance.svg"), plot(charts));
}

function formatRow({ row, floor, ours, cpu, spread, throughput }: RowResult): string {
  const limits = [row.cpuAtMost, row.throughputAtLeast].map((limit) => (limit === undefined ? "" : ` (${limit})`));
  return `${row.name}: CPU ${floor.cpuUs.toFixed(0)} → ${ours.cpuUs.toFixed(0)} µs, ${cpu.toFixed(2)} ×${limits[0]} [${spread.map((one) => one.toFixed(2)).join("–")}], throughput ${throughput.toFixed(2)} ×${limits[1]}`;
}
