// Small line charts side by side as SVG, readable on light and dark pages.
import type { Line } from "./growth.ts";

export interface Chart {
  title: string;
  x: string;
  y: string;
  lines: readonly Line[];
}

const WIDTH = 320;
const HEIGHT = 240;
const MARGIN = { left: 52, right: 14, top: 34, bottom: 64 };
const TICKS = 4;
const LEGEND = { floor: 0, "/v1/responses": 70, "/ask": 180 } as const;
/** A line looks the same in every chart. Its dashes distinguish it without colors. */
const STROKES = {
  floor: { color: "#7a7a7a", dash: "5 4" },
  "/v1/responses": { color: "#2f7ed8", dash: "" },
  "/ask": { color: "#d2691e", dash: "1 3" },
} as const;

export function plot(charts: readonly Chart[]): string {
  const inner = charts.map((chart, at) => `<g transform="translate(${at * WIDTH} 0)">${chartOf(chart)}</g>`).join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * charts.length} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="10">
<rect width="100%" height="100%" fill="#ffffff"/>
${inner}
</svg>
`;
}

function chartOf({ title, x, y, lines }: Chart): string {
  const points = lines.flatMap((line) => line.points);
  const [maxX, maxY] = [nice(Math.max(...points.map(([one]) => one))), nice(Math.max(...points.map(([, one]) => one)))];
  const [right, bottom] = [WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  const atX = (value: number): number => round(MARGIN.left + (value / maxX) * (right - MARGIN.left));
  const atY = (value: number): number => round(bottom - (value / maxY) * (bottom - MARGIN.top));
  const ticks = Array.from({ length: TICKS + 1 }, (_, n) => n / TICKS);
  const grid = ticks.map(
    (share) =>
      `<line x1="${MARGIN.left}" x2="${right}" y1="${atY(share * maxY)}" y2="${atY(share * maxY)}" stroke="#e3e3e3"/>` +
      `<text x="${MARGIN.left - 6}" y="${atY(share * maxY) + 3}" text-anchor="end" fill="#444">${label(share * maxY)}</text>` +
      `<text x="${atX(share * maxX)}" y="${bottom + 14}" text-anchor="middle" fill="#444">${label(share * maxX)}</text>`,
  );
  const paths = lines.map(({ name, points: of }) => {
    const { color, dash } = STROKES[name];
    const path = of.map(([px, py]) => `${atX(px)},${atY(py)}`).join(" ");
    const dots = of.map(([px, py]) => `<circle cx="${atX(px)}" cy="${atY(py)}" r="2" fill="${color}"/>`).join("");
    return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="1.5" stroke-dasharray="${dash}"/>${dots}`;
  });
  const legend = lines.map(({ name }) => {
    const { color, dash } = STROKES[name];
    const left = MARGIN.left + LEGEND[name];
    return (
      `<line x1="${left}" x2="${left + 18}" y1="${HEIGHT - 10}" y2="${HEIGHT - 10}" stroke="${color}" stroke-width="1.5" stroke-dasharray="${dash}"/>` +
      `<text x="${left + 22}" y="${HEIGHT - 7}" fill="#222">${name}</text>`
    );
  });
  return [
    `<text x="${MARGIN.left}" y="16" font-size="12" font-weight="600" fill="#111">${title}</text>`,
    `<text x="${MARGIN.left}" y="28" fill="#444">${y}</text>`,
    ...grid,
    `<text x="${right}" y="${bottom + 28}" text-anchor="end" fill="#444">${x}</text>`,
    ...paths,
    ...legend,
  ].join("\n");
}

/** The next round number that four ticks divide well. */
function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8].find((step) => step * power >= value) ?? 10) * power;
}

const round = (value: number): number => Math.round(value * 10) / 10;
const label = (value: number): string =>
  value >= 1_000 ? value.toLocaleString("en") : String(Math.round(value * 100) / 100);
