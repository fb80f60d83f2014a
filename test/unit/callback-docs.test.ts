// The receivers in docs/jobs.md, run as they are printed, accept our callbacks and nothing else. The page's URLs, delays and errors match the code.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callbackUrl } from "../../src/core/callbacks/url.ts";
import type { CallbackContent } from "../../src/core/callbacks/callback-request.ts";
import { DELAYS_MS } from "../../src/core/callbacks/outcome.ts";
import { retryDelayMs } from "../../src/core/jobs/job.ts";
import { Problem, type ProblemCode } from "../../src/core/lib/problem.ts";
import { createCallbackSender } from "../../src/platform/callback.ts";
import { sectionOf } from "../support/markdown.ts";

const DOC = readFileSync("docs/jobs.md", "utf8");
const WORDS = DOC.replaceAll(/\s+/g, " ");
const SECRET = "whsec_b2xkIHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=";
const NEW_SECRET = "whsec_bmV3IHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=";

const contentOf = (job: string, text: string): CallbackContent => ({
  event: {
    id: job,
    job,
    hook: null,
    endedAt: 0,
    metadata: {},
    answer: {
      id: "resp_1",
      previous_response_id: null,
      created_at: 1,
      model: "m",
      status: "completed",
      text,
      usage: null,
    },
    error: null,
  },
});
const senderTo = (url: string, secret: string, fetcher: typeof fetch = fetch, behindMs = 0) =>
  createCallbackSender({
    callbacks: { crm: { url, auth: { standard: "CRM_SECRET" } } },
    fetcher,
    now: () => Date.now() - behindMs,
    timeoutMs: 10_000,
    local: true,
    secretOf: () => secret,
    ownOrigins: [],
  });

const PYTHON = spawnSync("python3", ["--version"]).status === 0;
const RECEIVERS = [
  { language: "js", program: process.execPath, file: "receiver.mjs", isInstalled: true },
  { language: "python", program: "python3", file: "receiver.py", isInstalled: PYTHON },
];

describe.each(RECEIVERS)("the receiver in $language", ({ language, program, file, isInstalled }) => {
  let dir: string;
  let child: ChildProcess;
  let lines: AsyncIterator<string>;
  let url: string;
  beforeAll(async () => {
    if (!isInstalled) return;
    // Below node_modules, so that the import of the package resolves.
    dir = mkdtempSync(join("node_modules", ".callback-docs-"));
    const [, code = ""] = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(DOC) ?? [];
    writeFileSync(join(dir, file), code);
    child = spawn(program, [join(dir, file)], {
      env: { ...process.env, PORT: "0", CRM_SECRET: SECRET },
      stdio: ["ignore", "pipe", "ignore"],
    });
    if (child.stdout === null) throw new Error("no output");
    lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    url = await nextLine();
  });
  afterAll(() => {
    if (!isInstalled) return;
    child.kill();
    rmSync(dir, { recursive: true, force: true });
  });
  const nextLine = async (): Promise<string> => String((await lines.next()).value);

  test.runIf(isInstalled)(
    "processes a callback once, however often it arrives, even during a rotation of the secret",
    async () => {
      expect(url).toMatch(/^http:\/\/localhost:\d+$/);
      for (const job of ["job_1", "job_1", "job_2"]) {
        const { attempt } = await senderTo(url, `${NEW_SECRET},${SECRET}`)("crm", contentOf(job, `Grüße von ${job}`));
        expect(attempt).toMatchObject({ status: 204 });
      }
      expect([await nextLine(), await nextLine()]).toEqual([
        "response.completed Grüße von job_1",
        "response.completed Grüße von job_2",
      ]);
    },
  );

  test.runIf(isInstalled)("rejects a wrong secret, a changed body and an old timestamp", async () => {
    const tamper: typeof fetch = (to, init) => fetch(to, { ...init, body: "{}" });
    for (const send of [
      senderTo(url, NEW_SECRET),
      senderTo(url, SECRET, tamper),
      senderTo(url, SECRET, fetch, 301_000),
    ]) {
      expect((await send("crm", contentOf("job_3", "no"))).attempt).toMatchObject({ status: 401, error: "status 401" });
    }
  });
});

test("callbacks go to the printed URLs", () => {
  const rows = [...DOC.matchAll(/^\| `(https:[^`]+)` \| (?:none|`([^`]+)`) \| `([^`]+)`/gm)];
  expect(rows).toHaveLength(4);
  for (const [, from = "", path, to] of rows) {
    expect([callbackUrl(from, path, { local: false, ownOrigins: [] }, "", "").href]).toEqual([to]);
  }
});

test("the printed delays between attempts at a delivery match the code", () => {
  const words = DELAYS_MS.map(inWords);
  expect(WORDS).toContain(`is repeated after ${words.slice(0, -1).join(", ")} and ${words.at(-1)}:`);
  expect(WORDS).toContain(`about ${Math.round(DELAYS_MS.reduce((sum, ms) => sum + ms, 0) / 3_600_000)} hours`);
});

test("the printed delays between attempts to answer match the code", () => {
  const busy = new Problem("upstream_unavailable", "busy", { paid: "unpaid" });
  const pauses: string[] = [];
  for (let pause = retryDelayMs(busy, 1); pause !== null; pause = retryDelayMs(busy, pauses.length + 1))
    pauses.push(inWords(pause));
  const printed = /The delays are ([^.]*?), or UniAPI's/.exec(WORDS)?.[1];
  expect(printed).toBe(`${pauses.slice(0, -1).join(", ")} and ${pauses.at(-1)}`);
  expect(WORDS).toContain(`If the ${pauses.length === 5 ? "sixth" : "?"} attempt fails, the job fails`);
});

test("the printed errors exist with the printed statuses", () => {
  const sections = [sectionOf("docs/webhooks.md", "Errors"), sectionOf("docs/jobs.md", "Errors")].join("\n");
  const rows = [...sections.matchAll(/^\| (\d{3}) \| ((?:`\w+`(?:, )?)+) \|/gm)];
  expect(rows.length).toBeGreaterThan(10);
  for (const [, status = "", codes = ""] of rows) {
    for (const code of codes.replaceAll("`", "").split(", "))
      expect([code, new Problem(code as ProblemCode, "").status]).toEqual([code, Number(status)]);
  }
});

function inWords(ms: number): string {
  if (ms < 60_000) return `${ms / 1_000} s`;
  return ms <= 3_600_000 ? `${ms / 60_000} min` : `${ms / 3_600_000} h`;
}
