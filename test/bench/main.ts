// npm run bench [-- --rounds N] [--only TEXT] [--peers] [--write]: what ours costs above Workers of a few lines that make the same outside
// calls (contract section 9), interleaved in one run, in plain workerd with the production bundle. Loopback only; ends by itself in some
// minutes. `--only` compares the rows whose name has the text, and nothing else; `--write` puts the findings into docs/performance.md.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureChains } from "./chains.ts";
import { type Compared, compareRows } from "./compare.ts";
import { measureFirstByte } from "./first-byte.ts";
import { growWithConcurrency, growWithLength, type Line } from "./growth.ts";
import { measureOpenStreams } from "./open-streams.ts";
import { measurePeers } from "./peers.ts";
import { measurePieces } from "./pieces.ts";
import { plot } from "./plot.ts";
import { type Findings, report, written } from "./report.ts";
import { measureSlowKv } from "./slow-kv.ts";
import { type Stage, startStage } from "./stage.ts";
import { measureStartUp } from "./start-up.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const CHAINS = [1, 10, 25, 50, 100];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    only: { type: "string" },
    peers: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const say = (what: string): void => void process.stderr.write(`${what}\n`);

const stage = await startStage();
if (values.only === undefined) await all(stage);
else for (const row of await compareRows(stage, { rounds, only: values.only })) console.log(line(row));
process.exit(0);

async function all(on: Stage): Promise<void> {
  const rows = await compareRows(on, { rounds, only: "" });
  say("first bytes, open streams, start-up, single things, chains, a slow KV, growth");
  const firstByte = await measureFirstByte(on);
  const openStreams = await measureOpenStreams(on);
  const startUp = await measureStartUp(on);
  const pieces = await measurePieces(on);
  const chains = await measureChains(on, CHAINS);
  const slowKv = await measureSlowKv(on);
  const length = await growWithLength(on);
  const concurrency = await growWithConcurrency(on);
  const chain: Line[] = [
    { name: "/ask", points: chains.map(({ turns, cpuUs }): [number, number] => [turns, cpuUs / 1_000]) },
  ];
  const peers = values.peers ? await measurePeers(on) : undefined;
  const growth = [
    { what: "an event of a stream", lines: length },
    { what: "a turn of a chain", lines: chain },
  ];
  const findings: Findings = { rounds, rows, firstByte, openStreams, chains, startUp, pieces, slowKv, growth, peers };
  console.log(report(findings));
  if (!values.write) return;
  const page = join(DOCS, "performance.md");
  writeFileSync(page, written(readFileSync(page, "utf8"), findings));
  const charts = [
    { title: "Length of a stream", x: "events", y: "ms of CPU per stream", lines: length },
    { title: "Length of a chain", x: "turns replayed", y: "ms of CPU per follow-up", lines: chain },
    { title: "Requests at once", x: "requests at once", y: "ms of CPU per request", lines: concurrency },
  ];
  writeFileSync(join(DOCS, "images/performance.svg"), plot(charts));
}

function line({ row, floor, ours, cpu, spread, throughput }: Compared): string {
  const limits = [row.cpuAtMost, row.throughputAtLeast].map((limit) => (limit === undefined ? "" : ` (${limit})`));
  return `${row.name}: CPU ${floor.cpuUs.toFixed(0)} → ${ours.cpuUs.toFixed(0)} µs, ${cpu.toFixed(2)} ×${limits[0]} [${spread.map((one) => one.toFixed(2)).join("–")}], throughput ${throughput.toFixed(2)} ×${limits[1]}`;
}
