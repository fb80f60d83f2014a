// The example in the comment of Sender is a complete sender: run as it is printed, it accepts what its comment says that Acme signs.
// test/e2e/hook-docs.test.ts checks its types.
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { Sender } from "../../src/hooks/sender.ts";
import { senderExample } from "../support/sender-example.ts";
import { GITHUB, NOW_S, webhookRequest } from "../support/webhook-samples.ts";

test("the sender in the example of Sender verifies, names and acknowledges an event", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sender-example-"));
  try {
    writeFileSync(join(folder, "acme.ts"), senderExample(resolve("src")));
    const { acme } = (await import(/* @vite-ignore */ join(folder, "acme.ts"))) as { acme: Sender };
    const body = '{"id":"evt_1"}';
    const signature = createHmac("sha256", "secret").update(`${NOW_S}.${body}`).digest("hex");
    const headers = { "acme-timestamp": String(NOW_S), "acme-signature": signature };
    const verify = (text: string, now = NOW_S * 1_000) =>
      acme.verify(webhookRequest(text, headers, ["secret"], now), GITHUB.hook);
    expect(await verify(body)).toEqual({ secret: 0 });
    expect(await verify(`${body} `)).toEqual({ rejected: "bad_signature" });
    expect(await verify(body, (NOW_S + 301) * 1_000)).toEqual({ rejected: "stale_timestamp" });
    const request = webhookRequest(body, headers, ["secret"]);
    const payload: unknown = acme.parse(request.raw, request.headers);
    expect([acme.signedId(payload, request), acme.isBot(payload)]).toEqual(["evt_1", false]);
    expect(acme.acknowledge({ status: "accepted", job: "job_1" }, payload).status).toBe(202);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
