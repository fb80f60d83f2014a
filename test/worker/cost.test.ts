// The cost of a request in counts: KV calls, and writes of a stream. `npm run bench` measures times.
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { completedEvent, created, deltaEvent, scriptedUpstream } from "./scripted-upstream.ts";
import { eachTestAlone, EVENTS, uniqueText, startWorker } from "./worker.ts";

eachTestAlone();

const decoder = new TextDecoder();

/** KV that records its calls. */
function countedKv(): { kv: KVNamespace; takeCalls: () => string[] } {
  let calls: string[] = [];
  const kv = {
    get(key: string | string[], type: "text") {
      calls.push(typeof key === "string" ? "get" : `get of ${key.length}`);
      return typeof key === "string" ? env.RESPONSES.get(key, type) : env.RESPONSES.get(key, type);
    },
    put(key: string, text: string, options: KVNamespacePutOptions) {
      calls.push(`put ${key.split(":")[0] ?? ""}`);
      return env.RESPONSES.put(key, text, options);
    },
  };
  return {
    kv: kv as unknown as KVNamespace,
    takeCalls() {
      const now = calls.toSorted();
      calls = [];
      return now;
    },
  };
}

describe("KV is called", () => {
  test("for /ask: once before the upstream call and once for each of two records after it, or once in all for a hit", async () => {
    const { kv, takeCalls } = countedKv();
    const worker = startWorker({}, { RESPONSES: kv });
    const body = { input: uniqueText() };
    await worker.answer(body);
    expect(takeCalls()).toEqual(["get", "put answer", "put turn"]);
    await worker.answer(body);
    expect(takeCalls()).toEqual(["get"]);
  });

  test("for a follow-up: once for all its keys, and not for chain support that the isolate knows", async () => {
    const { kv, takeCalls } = countedKv();
    const worker = startWorker({}, { RESPONSES: kv });
    const first = await worker.answer({ input: uniqueText() });
    takeCalls();
    await worker.answer({ input: uniqueText(), previous_response_id: first.id });
    expect(takeCalls()).toEqual(["get of 3", "put answer", "put turn"]);
    await worker.answer({ input: uniqueText(), previous_response_id: first.id });
    expect(takeCalls()).toEqual(["get of 2", "put answer", "put turn"]);
  });

  test("for a request that neither reads nor stores: never", async () => {
    const { kv, takeCalls } = countedKv();
    await startWorker({}, { RESPONSES: kv }).answer({ input: uniqueText(), cache: false, store: false });
    await startWorker({ turns: false, cache: false }, { RESPONSES: kv }).answer({ input: uniqueText() });
    expect(takeCalls()).toEqual([]);
  });

  test.each([false, true])(
    "for /v1/responses: twice, to store the turn and its message (stream %s)",
    async (stream) => {
      const { kv, takeCalls } = countedKv();
      const worker = startWorker({}, { RESPONSES: kv });
      const response = await worker.send("/v1/responses", {
        method: "POST",
        body: JSON.stringify({ input: uniqueText(), stream }),
      });
      expect(await response.text()).toContain("completed");
      await worker.settled();
      expect(takeCalls()).toEqual(["put item", "put turn"]);
    },
  );
});

describe.each(["/ask", "/v1/responses"])("a stream on %s", (path) => {
  async function open(): Promise<{
    upstream: ReturnType<typeof scriptedUpstream>;
    read: () => Promise<string>;
    settled: () => Promise<void>;
  }> {
    const upstream = scriptedUpstream();
    const worker = startWorker({ cache: false });
    const body = JSON.stringify({ model: "m", input: "x", stream: true });
    const answered = worker.send(path, { method: "POST", headers: EVENTS, body });
    await upstream.called;
    upstream.send(created, deltaEvent("Well: "));
    const reader = ((await answered).body as ReadableStream<Uint8Array>).getReader();
    return {
      upstream,
      read: async () => {
        const { done, value } = await reader.read();
        return done ? "" : decoder.decode(value);
      },
      settled: worker.settled,
    };
  }

  test("sends its first event before upstream has sent the second word", async () => {
    const { upstream, read, settled } = await open();
    const first = await read();
    expect(first).toContain(path === "/ask" ? "event: start\n" : "event: response.created\n");
    expect(first).toContain("Well: ");
    upstream.send(completedEvent("Well: "));
    upstream.end();
    while ((await read()) !== "");
    await settled();
  });

  test("writes once per upstream chunk, however many events the chunk has", async () => {
    const { upstream, read, settled } = await open();
    await read();
    const words = Array.from({ length: 40 }, (_, n) => `word${n} `);
    upstream.send(...words.slice(0, 25).map(deltaEvent));
    const first = await read();
    upstream.send(...words.slice(25).map(deltaEvent));
    const second = await read();
    expect(eventsOf(first)).toHaveLength(25);
    expect(eventsOf(second)).toHaveLength(15);
    upstream.send(completedEvent(`Well: ${words.join("")}`));
    upstream.end();
    while ((await read()) !== "");
    await settled();
  });
});

const eventsOf = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("data: "));
