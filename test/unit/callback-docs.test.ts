// The documented receiver, run as it is printed, takes our callbacks and nothing else; the documented places are the real ones.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callbackUrl } from "../../src/core/callback-url.ts";
import type { Delivery } from "../../src/core/callback.ts";
import { DELAYS_MS } from "../../src/core/callback-verdict.ts";
import { callbackSender } from "../../src/platform/callback.ts";

const DOC = readFileSync("docs/webhooks-callbacks.part.md", "utf8");
const SECRET = "whsec_b2xkIHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=";
const NEW_SECRET = "whsec_bmV3IHNlY3JldCBvZiB0aGUgQ1JNLCAzMiBieXRlcyE=";

let dir: string;
let child: ChildProcess;
let lines: AsyncIterator<string>;
let url: string;
beforeAll(async () => {
  // Below node_modules, so that the package is found.
  dir = mkdtempSync(join("node_modules", ".callback-docs-"));
  const [, code = ""] = /```js\n([\s\S]*?)```/.exec(DOC) ?? [];
  writeFileSync(join(dir, "receiver.mjs"), code);
  child = spawn(process.execPath, [join(dir, "receiver.mjs")], {
    env: { PORT: "0", CRM_SECRET: SECRET },
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no output");
  lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  url = await nextLine();
});
afterAll(() => {
  child.kill();
  rmSync(dir, { recursive: true, force: true });
});
const nextLine = async (): Promise<string> => String((await lines.next()).value);

const delivery = (job: string, text: string): Delivery => ({
  event: {
    job,
    hook: null,
    endedAt: 0,
    metadata: {},
    answer: { id: "resp_1", previous_response_id: null, created_at: 1, model: "m", status: "completed", text, usage: null },
    error: null,
  },
});
const sender = (secret: string, fetcher: typeof fetch = fetch, behindMs = 0) =>
  callbackSender({
    callbacks: { crm: { url, auth: { standard: "CRM_SECRET" } } },
    fetcher,
    now: () => Date.now() - behindMs,
    deadline: 10_000,
    local: true,
    secretOf: () => secret,
    ownOrigins: [],
  });

test("the receiver takes a callback once, however often it comes, and while secrets rotate", async () => {
  expect(url).toMatch(/^http:\/\/localhost:\d+$/);
  for (const job of ["job_1", "job_1", "job_2"]) {
    expect((await sender(`${NEW_SECRET},${SECRET}`)("crm", delivery(job, `Grüße von ${job}`))).attempt).toMatchObject({ status: 204 });
  }
  expect([await nextLine(), await nextLine()]).toEqual(["response.completed Grüße von job_1", "response.completed Grüße von job_2"]);
});

test("the receiver refuses another secret, another body and an old time", async () => {
  const tampered: typeof fetch = (to, init) => fetch(to, { ...init, body: "{}" });
  for (const send of [sender(NEW_SECRET), sender(SECRET, tampered), sender(SECRET, fetch, 301_000)]) {
    expect((await send("crm", delivery("job_3", "no"))).attempt).toMatchObject({ status: 401, error: "status 401" });
  }
});

test("the printed places are where callbacks go", () => {
  const rows = [...DOC.matchAll(/^\| `(https:[^`]+)` \| (?:none|`([^`]+)`) \| `([^`]+)`/gm)];
  expect(rows).toHaveLength(4);
  for (const [, from = "", path, to] of rows) {
    expect([callbackUrl(from, path, { local: false, own: [] }, "", "").href]).toEqual([to]);
  }
});

test("the printed delays are the real ones", () => {
  const words = DELAYS_MS.map((ms) => (ms < 60_000 ? `${ms / 1_000} s` : ms < 3_600_000 ? `${ms / 60_000} min` : `${ms / 3_600_000} h`));
  expect(DOC).toContain(`tried again after ${words.slice(0, -1).join(", ")} and ${words.at(-1)}:`);
  expect(DOC).toContain(`about ${Math.round(DELAYS_MS.reduce((sum, ms) => sum + ms, 0) / 3_600_000)} hours`);
});
