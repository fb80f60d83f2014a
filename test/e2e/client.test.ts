// The typed client against the production bundle, over connections that break: both /client.js and the package.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as packaged from "uniapi-edge/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "../clients/gateway.ts";
import { MULTI_BYTE_TEXT } from "../emulator/content-faults.ts";

type Package = typeof packaged;

let gateway: Gateway;
let served: Package;
let home: string;
beforeAll(async () => {
  gateway = await startGateway();
  home = mkdtempSync(join(tmpdir(), "uniapi-edge-client-"));
  const file = join(home, "client.mjs");
  writeFileSync(file, await (await fetch(`${gateway.url}/client.js`)).text());
  served = (await import(/* @vite-ignore */ file)) as Package;
});
afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
  await gateway.stop();
});

const callsOf = (input: string): number =>
  gateway.sent().filter((body) => JSON.stringify(body).includes(JSON.stringify(input))).length;

/** A generator with the same numbers in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** Breaks a connection after that many bytes. The client reads them and then gets an error; the Worker sees a disconnect. */
function breakAfter(response: Response, bytes: number): Response {
  let remaining = bytes;
  const cut = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      if (remaining <= 0) throw new Error("broken by the test");
      controller.enqueue(chunk.subarray(0, remaining));
      remaining -= chunk.length;
    },
    flush() {
      if (remaining < 0) throw new Error("broken by the test");
    },
  });
  return new Response((response.body as ReadableStream<Uint8Array>).pipeThrough(cut), response);
}

describe.each([
  ["/client.js", () => served],
  ["the package", () => packaged],
])("%s", (name, use) => {
  const client = (options: Partial<packaged.ClientOptions> = {}): packaged.Client =>
    use().createClient({ url: gateway.url, token: SERVER_KEY, ...options });

  test("a stream that breaks a hundred times at random bytes has the same text, byte for byte, and upstream is called once", async () => {
    const input = `${PROMPT} ${name} ${Array.from({ length: 46 }, (_, n) => `word${n}${MULTI_BYTE_TEXT}`).join(" ")}`;
    const roll = dice(11);
    let connections = 0;
    const stream = client({
      async fetch(url, init) {
        const response = await gateway.fetch(url, init);
        // At least one event of about a hundred bytes, so that there is no pause.
        return connections++ < 100 ? breakAfter(response, 120 + roll(120)) : response;
      },
    }).stream({ input, model: "emulate/slow/1" });
    let text = "";
    for await (const { event, data } of stream) if (event === "text") text += data.delta;
    expect(text).toBe(`You said: "${input}".`);
    expect((await stream.answer()).text).toBe(text);
    expect(connections).toBe(101);
    expect(callsOf(input)).toBe(1);
  });

  test("after a broken connection, ask() and stream() with the same key return the first call's answer", async () => {
    const input = `${PROMPT} ${name} broken answer`;
    let connections = 0;
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      const response = await gateway.fetch(url, init);
      return connections++ === 0 ? breakAfter(response, 20) : response;
    };
    const key = `${name} key`;
    const answer = await client({ fetch }).ask(input, { idempotencyKey: key });
    expect(answer.text).toBe(`You said: "${input}".`);
    expect(await client().stream(input, { idempotencyKey: key }).answer()).toEqual(answer);
    expect([connections, callsOf(input)]).toEqual([2, 1]);
    await expect(client().ask("something else", { idempotencyKey: key })).rejects.toMatchObject({
      status: 422,
      code: "idempotency_key_reused",
    });
  });

  test("a closed stream is resumed by its token alone, and its upstream call continues meanwhile", async () => {
    const input = `${PROMPT} ${name} ${Array.from({ length: 20 }, (_, n) => `word${n}`).join(" ")}`;
    const stream = client().stream({ input, model: "emulate/slow/5" });
    let text = "";
    let token = "";
    for await (const { event, data } of stream) {
      token = JSON.stringify(stream.resumeToken);
      if (event !== "text") continue;
      text += data.delta;
      if (text.length > 30) break;
    }
    for await (const { event, data } of client().resume(JSON.parse(token) as packaged.ResumeToken))
      if (event === "text") text += data.delta;
    expect(text).toBe(`You said: "${input}".`);
    expect(callsOf(input)).toBe(1);
    const lost = { ...(JSON.parse(token) as packaged.ResumeToken), key: `${name} another key` };
    await expect(client().resume(lost).answer()).rejects.toMatchObject({ status: 409, code: "stream_lost" });
  });

  test("a failed call that may have been paid returns the same error for every request with its key", async () => {
    const input = `${PROMPT} ${name} cut`;
    const options = { idempotencyKey: `${name} cut` };
    const failures = [
      await client()
        .ask({ input, model: "emulate/cut" }, options)
        .catch((error: unknown) => error),
      await client()
        .ask({ input, model: "emulate/cut" }, options)
        .catch((error: unknown) => error),
    ];
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(use().AskError);
      expect(failure).toMatchObject({ status: 502, retryable: false });
    }
    await expect(client().stream({ input, model: "emulate/cut" }, options).answer()).rejects.toMatchObject({
      code: "upstream_error",
    });
    expect(callsOf(input)).toBe(1);
  });
});
