// A delivery whose `output` throws: its log lines, and the outcome in the job's record.
import { expect, test } from "vitest";
import { defineConfig } from "../../src/core/config/define-config.ts";
import type { Deps } from "../../src/deps.ts";
import { deliver } from "../../src/jobs/deliver.ts";
import { createLog } from "../../src/platform/log.ts";

const CANARY = "words of an event";

test("an `output` that throws ends the delivery, and its frames are logged under the delivery's request id", async () => {
  const lines: string[] = [];
  const recorded: unknown[] = [];
  const config = defineConfig({
    defaults: { model: "gpt-6-luna" },
    presets: { p: {} },
    callbacks: { crm: { url: "https://crm.example.com/in", auth: { bearer: "CRM_TOKEN" } } },
    hooks: {
      triage: {
        scheme: "github",
        secret_name: "GITHUB_WEBHOOK_SECRET",
        preset: "p",
        tokens_per_day: 1,
        input: () => "hi",
        callback: "crm",
        output() {
          throw new TypeError(CANARY);
        },
      },
    },
  });
  const deps = {
    config,
    now: () => 1_000,
    random: () => "00",
    log: createLog((line) => void lines.push(line), undefined),
    callback: () => Promise.reject(new Error("nothing may be sent")),
  } as unknown as Deps;
  const record = {
    readDeliverable: () =>
      Promise.resolve({
        spec: { hook: "triage", callback: "crm", metadata: {}, origin: "https://ask.example.com", payload: {} },
        outcome: { answer: null, error: { message: "", type: "", code: "" } },
        eventId: "evt_1",
        endedAt: 0,
        attempt: 1,
      }),
    recordDelivery: (...all: unknown[]) => Promise.resolve(void recorded.push(all)),
  } as unknown as Parameters<typeof deliver>[1];

  expect(await deliver(deps, record, { job: "job_1", instance: "i" })).toBeNull();

  expect(recorded).toMatchObject([[1_000, "i", { status: null, error: "output failed (TypeError)" }, "failed", null]]);
  const [exception, delivery] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(exception).toMatchObject({ event: "exception", request_id: "req_00", error: "TypeError" });
  expect((exception?.["stack"] as string[] | undefined)?.[0]).toMatch(/output .*deliver\.test\.ts:\d+:\d+/);
  expect(delivery).toMatchObject({ event: "delivery", request_id: "req_00", reason: "output failed (TypeError)" });
  expect(lines.join()).not.toContain(CANARY);
});
