// Formats the findings of a bench run as the Markdown between the two marks of docs/performance.md. The text around them is written by hand.
import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import type { Chain } from "./chains.ts";
import type { RowResult } from "./compare.ts";
import type { FirstByte } from "./first-byte.ts";
import { type Line, straightness } from "./growth.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Peer } from "./peers.ts";
import type { SlowKv } from "./slow-kv.ts";
import type { Piece } from "./pieces.ts";
import type { StartUp } from "./start-up.ts";

export interface Findings {
  rounds: number;
  rows: readonly RowResult[];
  firstByte: readonly FirstByte[];
  openStreams: readonly OpenStreams[];
  chains: readonly Chain[];
  startUp: StartUp;
  pieces: readonly Piece[];
  slowKv: readonly SlowKv[];
  growth: readonly { name: string; lines: readonly Line[] }[];
  peers: readonly Peer[] | undefined;
}

const MARKS = ["<!-- bench: made by `npm run bench -- --write` -->", "<!-- bench: end -->"] as const;

/** @param document with both marks @returns the document with the findings between them */
export function withFindings(document: string, findings: Findings): string {
  const [before = "", rest = ""] = document.split(MARKS[0]);
  const after = rest.split(MARKS[1])[1];
  if (after === undefined) throw new Error("docs/performance.md has no marks");
  return `${before}${MARKS[0]}\n\n${report(findings)}\n\n${MARKS[1]}${after}`;
}

export function report({
  rounds,
  rows,
  firstByte,
  openStreams,
  chains,
  startUp,
  pieces,
  slowKv,
  growth,
  peers,
}: Findings): string {
  const [one, ...others] = chains;
  const last = others.at(-1);
  const floor = openStreams[0]?.growthMib ?? NaN;
  return [
    `${new Date().toISOString().slice(0, 10)}, ${machine()}; medians of ${rounds} rounds.`,
    "### One request above its floor",
    table(
      [
        "path",
        "floor",
        "floor µs",
        "ours µs",
        "CPU ratio",
        "(rounds)",
        "at most",
        "throughput",
        "at least",
        "p50 / p99 ms, floor",
        "ours",
      ],
      rows.map(({ row, floor: base, ours, cpu, spread, throughput }) => [
        row.name,
        row.floorDescription,
        base.cpuUs.toFixed(0),
        ours.cpuUs.toFixed(0),
        markIfMissed(cpu, cpu <= (row.cpuAtMost ?? Infinity), row.cpuAtMost),
        spread.map((value) => value.toFixed(2)).join("–"),
        row.cpuAtMost === undefined ? "" : `${row.cpuAtMost}`,
        markIfMissed(throughput, throughput >= (row.throughputAtLeast ?? 0), row.throughputAtLeast),
        row.throughputAtLeast === undefined ? "" : `${row.throughputAtLeast}`,
        `${base.p50.toFixed(1)} / ${base.p99.toFixed(1)}`,
        `${ours.p50.toFixed(1)} / ${ours.p99.toFixed(1)}`,
      ]),
    ),
    "### First byte, memory, chain, bundle and start-up",
    table(
      ["name", "measured", "target, at most"],
      [
        ...firstByte.map(({ path, pass, ours, addedMs: laterMs }) => [
          `first byte of a stream on \`${path}\``,
          `${laterMs.toFixed(2)} ms later (${pass.toFixed(2)} → ${ours.toFixed(2)} ms)${laterMs <= 1 ? "" : " **missed**"}`,
          "1 ms later than the pass-through",
        ]),
        ...openStreams
          .slice(1)
          .map(({ name, growthMib: grown }) => [
            `1,000 open streams, ${name}`,
            `${(grown - floor).toFixed(0)} MiB above (${floor.toFixed(0)} → ${grown.toFixed(0)} MiB)${grown - floor <= 64 ? "" : " **missed**"}`,
            "64 MiB above the floor",
          ]),
        ...(one === undefined || last === undefined
          ? []
          : [
              [
                `a chain of ${last.turns} turns replayed, against one of ${one.turns}`,
                `${(last.ms / one.ms).toFixed(2)} × (${one.ms.toFixed(1)} → ${last.ms.toFixed(1)} ms), ${last.gets + last.bulkGets} KV round trips${last.ms <= 3 * one.ms && last.gets + last.bulkGets <= 2 ? "" : " **missed**"}`,
                "3 ×, two round trips",
              ],
            ]),
        [
          "bundle",
          `${startUp.bundleKiB.toFixed(1)} KiB gzip${startUp.bundleKiB <= 100 ? "" : " **missed**"}`,
          "100 KiB",
        ],
        [
          "start-up",
          `${(startUp.ours - startUp.empty).toFixed(0)} ms above (${startUp.empty.toFixed(0)} → ${startUp.ours.toFixed(0)} ms)${startUp.ours - startUp.empty <= 60 ? "" : " **missed**"}`,
          "60 ms above an empty Worker",
        ],
      ],
    ),
    "### What each part costs, `/v1/responses` JSON, turns off",
    table(
      ["a Worker of a few lines", "µs of CPU"],
      pieces.map(({ name, us }, n) => [
        name,
        n === 0 ? us.toFixed(0) : `${us < 0 ? "−" : "+"}${Math.abs(us).toFixed(0)}`,
      ]),
    ),
    "### A KV that takes 20 ms",
    table(
      ["path", "p50, immediate KV", "p50, KV after 20 ms", "waits for"],
      slowKv.map(({ name, quick, slow }) => [
        name,
        `${quick.toFixed(1)} ms`,
        `${slow.toFixed(1)} ms`,
        ["nothing", "one KV call", "two", "three"][Math.max(0, Math.round((slow - quick) / 20))] ?? "more",
      ]),
    ),
    "### How the cost grows",
    "![CPU against the length of a stream, the length of a chain, and the number of concurrent requests](images/performance.svg)",
    table(
      ["", "linear fit", "each additional one costs"],
      growth.flatMap(({ name: unit, lines }) =>
        lines.map(({ name, points }) => [
          `${unit}: ${name}`,
          `R² ${straightness(points).toFixed(3)}`,
          `${(slope(points) * 1_000).toFixed(1)} µs`,
        ]),
      ),
    ),
    ...(peers === undefined
      ? []
      : [
          "### Compared with Portkey's gateway",
          "For orientation: `@portkey-ai/gateway` 1.15.2 in Node, same requests, same upstream.",
          table(
            ["path", "gateway", "ours"],
            peers.map(({ name, perSecond, cpuUs, oursPerSecond, oursCpuUs }) => [
              name,
              `${perSecond.toFixed(0)}/s, ${cpuUs.toFixed(0)} µs of CPU`,
              `${oursPerSecond.toFixed(0)}/s, ${oursCpuUs.toFixed(0)} µs of CPU`,
            ]),
          ),
        ]),
  ].join("\n\n");
}

function markIfMissed(value: number, met: boolean, limit: number | undefined): string {
  return limit === undefined || met ? value.toFixed(2) : `**${value.toFixed(2)}**`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The slope of the linear regression. */
function slope(points: Line["points"]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const sum = (of: (x: number, y: number) => number): number =>
    points.reduce((all, [x, y]) => all + of(x - mx, y - my), 0);
  return sum((x, y) => x * y) / sum((x) => x * x);
}

function machine(): string {
  const memory = /^MemTotal:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? "0";
  const [processor] = cpus();
  return `${cpus().length} cores of ${processor?.model.trim() ?? "an unknown processor"}, ${Math.round(Number(memory) / 1_048_576)} GiB, Linux ${release().split("-")[0] ?? ""}`;
}
