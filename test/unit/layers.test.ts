// Imports point one way: what .oxlintrc.json lets each folder of src import, and what it refuses.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";

const RULE = "eslint(no-restricted-imports)";

type Row = readonly [file: string, statement: string];

// A name declared twice would keep the linter from reading the file.
let names = 0;
const value = (from: string): string => `import { a${++names} } from "${from}";`;
const type = (from: string): string => `import type { A${++names} } from "${from}";`;

const REFUSED: readonly Row[] = [
  ["src/core/lib/sse.ts", value("../deps.ts")],
  ["src/core/lib/sse.ts", type("../platform/kv.ts")],
  ["src/core/lib/sse.ts", value("#config")],
  ["src/core/lib/sse.ts", value("hono")],
  ["src/core/lib/sse.ts", value("node:fs")],
  ["src/core/lib/sse.ts", value("cloudflare:workers")],
  ["src/core/lib/sse.ts", 'import "./../wire.ts";'],
  ["src/platform/kv.ts", value("../answer/chain.ts")],
  ["src/platform/kv.ts", value("./log.ts")],
  ["src/platform/kv.ts", value("./upstream/upstream.ts")],
  ["src/platform/kv.ts", type("../deps.ts")],
  ["src/platform/kv.ts", value("hono")],
  ["src/platform/kv.ts", value("../gate/cors.ts")],
  ["src/platform/kv.ts", 'export { a } from "./receive.ts";'],
  ["src/platform/kv.ts", 'export * from "../wire.ts";'],
  ["src/platform/kv.ts", 'void import("../app.ts");'],
  ["src/platform/upstream/upstream.ts", value("../kv.ts")],
  ["src/platform/upstream/upstream.ts", type("../../deps.ts")],
  ["src/platform/upstream/upstream.ts", value("../../answer/open.ts")],
  ["src/platform/upstream/upstream.ts", value("hono")],
  ["src/durable/budget.ts", type("../deps.ts")],
  ["src/durable/budget.ts", value("../platform/kv.ts")],
  ["src/durable/budget.ts", value("../wire.ts")],
  ["src/durable/budget.ts", value("hono")],
  ["src/answer/open.ts", value("../platform/budgets.ts")],
  ["src/gate/cors.ts", value("./server-key.ts")],
  ["src/gate/cors.ts", type("./identify.ts")],
  ["src/gate/cors.ts", value("../deps.ts")],
  ["src/gate/cors.ts", value("../platform/kv.ts")],
  ["src/gate/cors.ts", type("hono")],
  ["src/gate/session.ts", value("./jwt.ts")],
  ["src/gate/session.ts", value("jose/jwt/verify")],
  ["src/gate/jwt.ts", value("../deps.ts")],
  ["src/gate/token.ts", type("../deps.ts")],
  ["src/gate/token.ts", value("./session.ts")],
  ["src/gate/turnstile.ts", value("../platform/turnstile.ts")],
  ["src/gate/admit.ts", value("../http/ask.ts")],
  ["src/gate/identify.ts", value("../deps.ts")],
  ["src/gate/identify.ts", type("../platform/log.ts")],
  ["src/gate/identify.ts", value("../http/ask.ts")],
  ["src/hooks/github.ts", value("./standard.ts")],
  ["src/hooks/github.ts", type("../deps.ts")],
  ["src/hooks/github.ts", value("../platform/kv.ts")],
  ["src/hooks/github.ts", value("../gate/identify.ts")],
  ["src/hooks/github.ts", value("node:crypto")],
  ["src/hooks/schemes.ts", type("../deps.ts")],
  ["src/hooks/schemes.ts", value("../http/ask.ts")],
  ["src/answer/open.ts", value("../platform/upstream/upstream.ts")],
  ["src/answer/open.ts", 'import { type Mixed, mixed } from "../platform/kv.ts";'],
  ["src/answer/open.ts", value("../respond/live-stream.ts")],
  ["src/answer/open.ts", value("../gate/identify.ts")],
  ["src/answer/open.ts", type("hono")],
  ["src/answer/open.ts", value("#config")],
  ["src/http/respond/live-stream.ts", value("hono")],
  ["src/http/respond/live-stream.ts", value("hono/streaming")],
  ["src/http/respond/live-stream.ts", type("../platform/upstream/upstream.ts")],
  ["src/http/respond/live-stream.ts", value("../gate/identify.ts")],
  ["src/http/respond/live-stream.ts", value("../http/ask.ts")],
  ["src/http/ask.ts", value("./responses.ts")],
  ["src/http/hooks.ts", value("../hooks/github.ts")],
  ["src/http/ask.ts", type("../platform/kv.ts")],
  ["src/http/ask.ts", value("../platform/upstream/upstream.ts")],
  ["src/http/ask.ts", value("../wire.ts")],
  ["src/http/ask.ts", value("../app.ts")],
  ["src/http/ask.ts", value("#config")],
  ["src/openapi/document.ts", type("../deps.ts")],
  ["src/openapi/document.ts", value("../http/ask.ts")],
  ["src/openapi/document.ts", value("../app.ts")],
  ["src/http/ask.ts", value("../openapi/document.ts")],
  ["src/openapi/viewer/docs.js", value("../core/json.ts")],
  ["src/console/app.tsx", value("../../core/json.ts")],
  ["src/console/chat/model/chat.ts", value("../../../core/trim.ts")],
  ["src/console/chat/model/chat.ts", value("../../../client/decode.ts")],
  ["src/console/usage/measures.ts", type("../../../core/usage-schema.ts")],
  ["src/console/jobs/job-card.tsx", type("../../../core/job.ts")],
  ["src/http/console.ts", value("../page/console/account.ts")],
  ["src/client/stream.ts", value("../core/trim.ts")],
  ["src/client/stream.ts", value("../core/sse.ts")],
  ["src/client/stream.ts", type("../core/request.ts")],
  ["src/client/stream.ts", type("../deps.ts")],
  ["src/client/stream.ts", value("zod")],
  ["src/http/ask.ts", value("../client/client.ts")],
  ["src/openapi/document.ts", type("../deps.ts")],
  ["src/openapi/document.ts", value("../http/ask.ts")],
  ["src/openapi/document.ts", value("../app.ts")],
  ["src/http/ask.ts", value("../openapi/document.ts")],
  ["src/openapi/viewer/docs.js", value("../core/json.ts")],
  ["src/deps.ts", value("./platform/kv.ts")],
  ["src/deps.ts", value("./platform/flights.ts")],
  ["src/deps.ts", value("./platform/jwks.ts")],
  ["src/deps.ts", value("./platform/turnstile.ts")],
  ["src/deps.ts", value("./platform/jobs.ts")],
  ["src/deps.ts", value("./platform/callback.ts")],
  ["src/deps.ts", type("./answer/answer.ts")],
  ["src/app-env.ts", value("./deps.ts")],
  ["src/app-env.ts", type("./wire.ts")],
  ["src/wire.ts", value("./answer/answer.ts")],
  ["src/wire.ts", value("./respond/live-stream.ts")],
  ["src/wire.ts", value("./http/ask.ts")],
  ["src/wire.ts", value("./app.ts")],
  ["src/wire.ts", value("#config")],
  ["src/wire.ts", value("hono")],
  ["src/app.ts", value("./platform/log.ts")],
  ["src/app.ts", value("./platform/upstream/upstream.ts")],
  ["src/app.ts", value("./gate/identify.ts")],
  ["src/app.ts", value("./answer/answer.ts")],
  ["src/app.ts", value("./respond/live-stream.ts")],
  ["src/app.ts", value("#config")],
  ["src/durable/job-workflow.ts", value("../wire.ts")],
  ["src/durable/job-workflow.ts", value("../deps.ts")],
  ["src/durable/job-workflow.ts", value("./job-record.ts")],
  ["src/durable/run.ts", value("../platform/kv.ts")],
  ["src/durable/run.ts", value("../http/ask.ts")],
  ["src/isolate.ts", value("./app.ts")],
  ["src/isolate.ts", value("./core/define-config.ts")],
  ["src/index.ts", value("./config.ts")],
  ["src/index.ts", value("#config")],
  ["src/index.ts", value("./wire.ts")],
  ["src/index.ts", value("./core/define-config.ts")],
  ["src/index.ts", value("hono")],
  // A folder without a rule of its own.
  ["src/tomorrow/new.ts", value("../core/json.ts")],
  ["src/http/deep/new.ts", value("../../core/json.ts")],
];

const ALLOWED: readonly Row[] = [
  ["src/core/lib/sse.ts", value("./json.ts")],
  ["src/core/lib/sse.ts", value("zod/mini")],
  ["src/platform/kv.ts", value("../core/problem.ts")],
  ["src/platform/upstream/upstream.ts", value("../../core/sse.ts")],
  ["src/platform/upstream/upstream.ts", value("./watch.ts")],
  ["src/durable/budget.ts", type("../core/budget.ts")],
  ["src/durable/budget.ts", value("cloudflare:workers")],
  ["src/answer/open.ts", type("../platform/budgets.ts")],
  ["src/index.ts", value("./objects/budget.ts")],
  ["src/gate/cors.ts", value("../core/ids.ts")],
  ["src/gate/cors.ts", type("../deps.ts")],
  ["src/gate/identify.ts", value("./server-key.ts")],
  ["src/gate/session.ts", value("./token.ts")],
  ["src/gate/jwt.ts", type("../deps.ts")],
  ["src/gate/token.ts", 'void import("jose/jwt/verify");'],
  ["src/gate/token.ts", type("jose")],
  ["src/gate/turnstile.ts", value("./session.ts")],
  ["src/gate/admit.ts", value("./identify.ts")],
  ["src/gate/identify.ts", type("../deps.ts")],
  ["src/hooks/github.ts", value("../core/webhook.ts")],
  ["src/hooks/schemes.ts", value("./github.ts")],
  ["src/hooks/schemes.ts", type("../core/webhook.ts")],
  ["src/answer/open.ts", value("../core/sse.ts")],
  ["src/answer/open.ts", type("../deps.ts")],
  ["src/answer/open.ts", value("./chain.ts")],
  ["src/answer/open.ts", type("../platform/upstream/upstream.ts")],
  ["src/answer/open.ts", 'import { type Inline } from "../platform/kv.ts";'],
  ["src/http/respond/live-stream.ts", value("../answer/answer.ts")],
  ["src/http/respond/live-stream.ts", value("../core/sse.ts")],
  ["src/http/respond/live-stream.ts", type("../deps.ts")],
  ["src/http/respond/live-stream.ts", type("../app-env.ts")],
  ["src/http/respond/live-stream.ts", value("./event-stream.ts")],
  ["src/http/respond/live-stream.ts", type("hono")],
  ["src/http/ask.ts", value("hono")],
  ["src/http/ask.ts", value("../gate/identify.ts")],
  ["src/http/ask.ts", value("../respond/live-stream.ts")],
  ["src/http/ask.ts", value("../answer/answer.ts")],
  ["src/http/ask.ts", value("../core/compose.ts")],
  ["src/http/hooks.ts", value("../hooks/schemes.ts")],
  ["src/http/ask.ts", type("../app-env.ts")],
  ["src/http/ask.ts", type("../deps.ts")],
  ["src/openapi/document.ts", value("../core/problem.ts")],
  ["src/openapi/document.ts", value("./operation.ts")],
  ["src/openapi/viewer/docs.js", value("./other.js")],
  ["src/console/app.tsx", value("./chat/chat.ts")],
  ["src/console/app.tsx", value("preact/hooks")],
  ["src/console/chat/model/chat.ts", value("../call.ts")],
  ["src/console/usage/usage-view.tsx", value("./measures.ts")],
  ["src/console/jobs/job-card.tsx", value("../call.ts")],
  ["src/console/chat/model/stream.ts", value("../../../client/client.ts")],
  ["src/client/stream.ts", value("./decode.ts")],
  ["src/client/stream.ts", type("../core/trim.ts")],
  ["src/client/stream.ts", type("../core/trim-stream.ts")],
  ["src/client/question.ts", type("../core/json.ts")],
  ["src/http/client.ts", value("../client/served.ts")],
  ["src/openapi/document.ts", value("../core/problem.ts")],
  ["src/openapi/document.ts", value("./operation.ts")],
  ["src/openapi/viewer/docs.js", value("./other.js")],
  ["src/deps.ts", type("./core/ids.ts")],
  ["src/deps.ts", type("./platform/jobs.ts")],
  ["src/deps.ts", type("./platform/callback.ts")],
  ["src/deps.ts", type("./platform/jwks.ts")],
  ["src/deps.ts", type("./platform/turnstile.ts")],
  ["src/deps.ts", type("./platform/upstream/upstream.ts")],
  ["src/app-env.ts", type("./deps.ts")],
  ["src/app-env.ts", type("./platform/log.ts")],
  ["src/wire.ts", value("./platform/upstream/upstream.ts")],
  ["src/wire.ts", value("./platform/kv.ts")],
  ["src/wire.ts", value("./gate/cors.ts")],
  ["src/wire.ts", value("./core/ids.ts")],
  ["src/wire.ts", type("./deps.ts")],
  ["src/app.ts", value("hono/route")],
  ["src/app.ts", value("./http/ask.ts")],
  ["src/app.ts", value("./gate/cors.ts")],
  ["src/app.ts", value("./wire.ts")],
  ["src/app.ts", value("./core/problem.ts")],
  ["src/app.ts", type("./app-env.ts")],
  ["src/app.ts", type("./platform/log.ts")],
  ["src/index.ts", value("./app.ts")],
  ["src/durable/job-workflow.ts", value("../isolate.ts")],
  ["src/durable/job-workflow.ts", type("../deps.ts")],
  ["src/durable/run.ts", value("../answer/answer.ts")],
  ["src/durable/run.ts", value("../core/problem.ts")],
  ["src/isolate.ts", value("./wire.ts")],
  ["src/isolate.ts", value("#config")],
  ["src/index.ts", value("./isolate.ts")],
  // The deployer's own.
  ["src/config.ts", value("./core/define-config.ts")],
];

let reported: Row[];
beforeAll(() => {
  const home = mkdtempSync(join(tmpdir(), "uniapi-edge-layers-"));
  try {
    copyFileSync(".oxlintrc.json", join(home, ".oxlintrc.json"));
    const samples = Object.entries(Object.groupBy([...ALLOWED, ...REFUSED], ([file]) => file));
    const lines = new Map(samples.map(([file, rows = []]) => [file, rows.map(([, statement]) => statement)]));
    for (const [file, statements] of lines) {
      mkdirSync(dirname(join(home, file)), { recursive: true });
      writeFileSync(join(home, file), statements.join("\n"));
    }
    reported = oxlint(home).map(([file, line]) => [file, lines.get(file)?.[line - 1] ?? `line ${line}`]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("exactly the refused imports are reported, each once", () => {
  expect(reported.toSorted(byText)).toEqual(REFUSED.toSorted(byText));
});

test("every folder and file of src stands in both tables", () => {
  const places = readdirSync("src", { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.[jt]sx?$/.test(entry.name) && !/^(?:env\.d|config)\.ts$/.test(entry.name))
    .map(({ parentPath, name }) => (parentPath === "src" ? `src/${name}` : parentPath));
  for (const table of [REFUSED, ALLOWED]) {
    const covered = new Set(table.flatMap(([file]) => [file, dirname(file)]));
    expect(places.filter((place) => !covered.has(place))).toEqual([]);
  }
});

/** File and line of every import that is reported. */
function oxlint(home: string): [file: string, line: number][] {
  const { diagnostics } = JSON.parse(run(home)) as {
    diagnostics: { code: string; filename: string; labels: { span: { line: number } }[] }[];
  };
  return diagnostics.filter(({ code }) => code === RULE).map(({ filename, labels }) => [filename, labels[0]?.span.line ?? 0]);
}

function run(home: string): string {
  try {
    return execFileSync(resolve("node_modules/.bin/oxlint"), ["--format", "json"], { cwd: home, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    // It ends with 1 where it reports something.
    return (error as { stdout: string }).stdout;
  }
}

function byText(a: Row, b: Row): number {
  return a.join(" ").localeCompare(b.join(" "));
}
