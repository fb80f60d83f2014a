// A follow-up reaches its history by upstream's id, by replay, or not at all. The KV shows writes late, as in production.
import { describe, expect, test } from "vitest";
import { signId } from "../../src/core/callers/ids.ts";
import { deleteStoredTurn, readStoredTurn } from "../../src/answer/stored-turns.ts";
import { encodeTombstone, turnKey } from "../../src/core/turns/turn.ts";
import { chainSupportKey } from "../../src/answer/continuity.ts";
import { createHarness } from "../support/answer-harness.ts";

const MINUTE = 60_000;

async function refusal(work: Promise<unknown>): Promise<{ code: unknown; message: string }> {
  return work.then(
    () => Promise.reject(new Error("it was answered")),
    (error: { code: unknown; message: string }) => ({ code: error.code, message: error.message }),
  );
}

describe('continuity "auto"', () => {
  test("forwards upstream's id while upstream continues, and streams from a model whose chain support is unknown", async () => {
    const { ask, upstream } = await createHarness();
    const first = await ask("a");
    const second = await ask("b", first.id);
    const third = await ask("c", second.id);
    expect([second.text, third.text]).toEqual(["a|b", "a|b|c"]);
    expect([first.continuity, second.continuity, third.continuity]).toEqual([undefined, "upstream", "upstream"]);
    expect(upstream.calls.map(({ body, stream }) => [body["previous_response_id"], stream])).toEqual([
      [undefined, false],
      ["up_1", true],
      ["up_2", false],
    ]);
  });

  test.each([false, true])("replays the whole chain once if upstream reports its loss (stream: %s)", async (stream) => {
    const { ask, upstream } = await createHarness();
    const first = await ask("a");
    const second = await ask("b", first.id);
    upstream.deleteChains();
    const third = await ask("c", second.id, { stream });
    expect(third).toMatchObject({ text: "a|b|c", continuity: "replayed", logFields: { continuity: "replayed" } });
    expect(upstream.calls).toHaveLength(4);
    expect(upstream.calls[3]?.body).not.toHaveProperty("previous_response_id");
    const fourth = await ask("d", third.id);
    expect(fourth).toMatchObject({ text: "a|b|c|d", continuity: "upstream" });
  });

  test.each([false, true])(
    "aborts a model that ignores the id at its first event, before it is paid, and remembers it for a day (stream: %s)",
    async (stream) => {
      const { ask, upstream, kv, deps, freshIsolate, advance: wait } = await createHarness();
      const first = await ask("a");
      upstream.ignoresChain = true;
      const second = await ask("b", first.id, { stream });
      expect(second).toMatchObject({ text: "a|b", continuity: "replayed" });
      expect(upstream.calls.map((call) => call.aborted)).toEqual([false, true, false]);
      expect(kv.texts.get(chainSupportKey(deps, "m") ?? "")).toBe("1");
      // KV may have cached, near the other isolate, that the key did not exist.
      wait(MINUTE);
      freshIsolate();
      const third = await ask("c", second.id, { stream });
      expect(third).toMatchObject({ text: "a|b|c", continuity: "replayed" });
      expect(upstream.calls).toHaveLength(4);
    },
  );

  test.each([false, true])(
    "looks for the parent's id in the first event with a response object (stream: %s)",
    async (stream) => {
      const { ask, upstream } = await createHarness();
      upstream.sendsKeepalive = true;
      const first = await ask("a");
      const second = await ask("b", first.id, { stream });
      expect(second).toMatchObject({ text: "a|b", continuity: "upstream" });
      upstream.ignoresChain = true;
      const other = await ask("a", undefined, { model: "n" });
      expect(await ask("b", other.id, { stream, model: "n" })).toMatchObject({ text: "a|b", continuity: "replayed" });
    },
  );

  test("a single lost chain doesn't mark a model as unsupported", async () => {
    const { ask, upstream, kv, deps } = await createHarness();
    const first = await ask("a");
    const second = await ask("b", first.id);
    upstream.ignoresChain = true;
    const third = await ask("c", second.id);
    upstream.ignoresChain = false;
    expect(kv.texts.get(chainSupportKey(deps, "m") ?? "")).toBeUndefined();
    expect(await ask("d", third.id)).toMatchObject({ text: "a|b|c|d", continuity: "upstream" });
    expect(upstream.calls.at(-1)?.stream).toBe(true);
  });

  test("if a call was made and the chain can't be read, the error is marked maybe paid", async () => {
    const { ask, upstream } = await createHarness({}, 30_000);
    const first = await ask("a");
    upstream.ignoresChain = true;
    await expect(ask("b", first.id)).rejects.toMatchObject({ code: "unavailable", details: { paid: "maybe" } });
  });

  test("a model name with a lone surrogate doesn't break the chain-support lookup", async () => {
    const { ask } = await createHarness();
    const first = await ask("a");
    expect((await ask("b", first.id, { model: "\ud800" })).text).toBe("a|b");
  });

  test("a model that stops continuing is replayed, and both calls are counted", async () => {
    const { ask, upstream } = await createHarness();
    const first = await ask("a");
    const second = await ask("b", first.id);
    upstream.ignoresChain = true;
    const third = await ask("c", second.id);
    expect(third).toMatchObject({
      text: "a|b|c",
      continuity: "replayed",
      logFields: { input_tokens: 1 + 3, output_tokens: 2 },
    });
  });

  test("a parent with a chatcmpl- id is replayed without trying its id", async () => {
    const { ask, upstream } = await createHarness();
    upstream.idOf = (count) => `chatcmpl-${count}`;
    const first = await ask("a");
    expect(await ask("b", first.id)).toMatchObject({ text: "a|b", continuity: "replayed" });
    expect(upstream.calls).toHaveLength(2);
  });

  test("an answer without an upstream id is continued from KV", async () => {
    const { ask, upstream } = await createHarness();
    upstream.idOf = () => undefined;
    const first = await ask("a");
    expect(await ask("b", first.id)).toMatchObject({ text: "a|b", continuity: "replayed" });
  });

  test("an id that is too long for ours is read from the turn and forwarded", async () => {
    const { ask, upstream } = await createHarness();
    upstream.idOf = (count) => `up_${count}_${"x".repeat(300)}`;
    const first = await ask("a");
    expect(await ask("b", first.id)).toMatchObject({ text: "a|b", continuity: "upstream" });
  });

  test("two branches of one parent have their own histories, even if both are replayed", async () => {
    const { ask, upstream } = await createHarness();
    const root = await ask("a");
    const left = await ask("b", root.id);
    const right = await ask("c", root.id);
    upstream.deleteChains();
    expect((await ask("d", left.id)).text).toBe("a|b|d");
    expect((await ask("e", right.id)).text).toBe("a|c|e");
  });

  test("a raw upstream id is forwarded; if it is lost, the error says what to send instead", async () => {
    const { ask, upstream } = await createHarness();
    await ask("a");
    expect((await ask("b", "up_1")).text).toBe("a|b");
    upstream.deleteChains();
    expect(await refusal(ask("c", "up_1"))).toEqual({
      code: "previous_response_not_found",
      message: expect.stringContaining("Send the whole conversation"),
    });
  });

  test("a conversation that began with a raw upstream id can't be replayed, and the error says so", async () => {
    const { ask, upstream } = await createHarness();
    await ask("a");
    const second = await ask("b", "up_1");
    upstream.deleteChains();
    expect(await refusal(ask("c", second.id))).toEqual({
      code: "previous_response_not_found",
      message: expect.stringContaining("has not stored"),
    });
  });
});

describe('continuity "gateway"', () => {
  test("sends the whole chain every time, and no id", async () => {
    const { ask, upstream } = await createHarness({ continuity: "gateway" });
    const first = await ask("a");
    const second = await ask("b", first.id);
    expect(second).toMatchObject({ text: "a|b", continuity: "gateway" });
    expect(upstream.calls[1]?.body["input"]).toEqual([
      { type: "message", role: "user", content: "a" },
      { type: "message", role: "assistant", content: "a" },
      { type: "message", role: "user", content: "b" },
    ]);
  });

  test.each([
    [100, 2],
    [101, 2],
    [230, 4],
  ])("a chain of %i turns is read in %i round trips", async (length, trips) => {
    const { ask, kv } = await createHarness({ continuity: "gateway" });
    let last = await ask("t1");
    for (let turn = 2; turn <= length; turn += 1) last = await ask(`t${turn}`, last.id);
    kv.reads.length = 0;
    const next = await ask("end", last.id);
    expect(next.text.split("|")).toEqual([...Array.from({ length }, (_, at) => `t${at + 1}`), "end"]);
    expect(kv.reads).toHaveLength(trips);
    expect(Math.max(...kv.reads)).toBeLessThanOrEqual(100);
  });
});

describe("with the delays of KV in production", () => {
  test("a follow-up works while its parent isn't visible in KV yet, if upstream has the id", async () => {
    const { ask, elapsed } = await createHarness({}, 30_000);
    const first = await ask("a");
    expect(await ask("b", first.id)).toMatchObject({ text: "a|b", continuity: "upstream" });
    expect(elapsed()).toBe(0);
  });

  test("a replay waits for a young turn", async () => {
    const { ask, upstream, kv, elapsed, advance: wait } = await createHarness({}, 1_200);
    const first = await ask("a");
    // The turn was not read yet, so KV has cached no miss.
    wait(1_200);
    upstream.deleteChains();
    expect((await ask("b", first.id)).text).toBe("a|b");
    expect(elapsed()).toBe(1_200);
    expect(kv.reads.length).toBeGreaterThan(0);
  });

  test("a cached KV miss for a young turn gives 503 with Retry-After, and the turn is found after that time", async () => {
    const { ask, upstream, elapsed, advance: wait } = await createHarness({}, 1_200);
    const first = await ask("a");
    upstream.deleteChains();
    expect(await refusal(ask("b", first.id))).toMatchObject({ code: "unavailable" });
    expect(elapsed()).toBe(3_500);
    wait(MINUTE);
    expect((await ask("b", first.id)).text).toBe("a|b");
  });

  test("an old turn that is missing has expired, without a wait", async () => {
    const { ask, upstream, kv, elapsed, advance: wait } = await createHarness();
    const first = await ask("a");
    upstream.deleteChains();
    kv.texts.clear();
    await kv.remove(turnKey("ada", first.id));
    wait(3 * MINUTE);
    expect(await refusal(ask("b", first.id))).toEqual({
      code: "previous_response_not_found",
      message: expect.stringContaining("has expired"),
    });
    expect(elapsed()).toBe(3 * MINUTE);
  });

  test("a chain with a gap is never replayed", async () => {
    const { ask, upstream, kv, advance: wait } = await createHarness();
    const first = await ask("a");
    const second = await ask("b", first.id);
    const third = await ask("c", second.id);
    await kv.remove(turnKey("ada", second.id));
    upstream.deleteChains();
    wait(3 * MINUTE);
    expect(await refusal(ask("d", third.id))).toMatchObject({ code: "previous_response_not_found" });
    expect(upstream.calls).toHaveLength(4);
  });

  test("a deleted turn is not continued, and not replayed for a later turn", async () => {
    const { ask, upstream, kv } = await createHarness();
    const first = await ask("a");
    const second = await ask("b", first.id);
    await kv.write(turnKey("ada", first.id), encodeTombstone([]), 60);
    expect(await refusal(ask("c", first.id))).toMatchObject({ code: "previous_response_not_found" });
    upstream.deleteChains();
    expect((await ask("d", second.id)).text).toBe("b|d");
  });
});

test("deleting a turn gives 503 until the turn is visible in KV, and then succeeds for good", async () => {
  const { ask, deps, advance: wait } = await createHarness({}, 30_000);
  const first = await ask("a");
  await expect(deleteStoredTurn(deps, "ada", first.id)).rejects.toMatchObject({ code: "unavailable" });
  wait(2 * MINUTE);
  await deleteStoredTurn(deps, "ada", first.id);
  wait(MINUTE);
  await expect(readStoredTurn(deps, "ada", first.id)).rejects.toMatchObject({ code: "response_not_found" });
});

test("a follow-up to an answer that was not stored fails unless the response names the parent's id", async () => {
  const { ask, upstream, elapsed } = await createHarness();
  const first = await ask("a", undefined, { storeTurn: false });
  expect((await ask("b", first.id)).text).toBe("a|b");
  upstream.ignoresChain = true;
  await expect(ask("b", first.id, { model: "n" })).rejects.toMatchObject({
    code: "previous_response_not_found",
    details: { paid: "maybe" },
  });
  upstream.deleteChains();
  upstream.ignoresChain = false;
  await expect(ask("b", first.id)).rejects.toMatchObject({ code: "previous_response_not_found" });
  expect(elapsed()).toBe(0);
});

test("a turn whose parent was not stored can't be replayed, and the error says so", async () => {
  const { ask, upstream, elapsed } = await createHarness();
  const first = await ask("a", undefined, { storeTurn: false });
  const second = await ask("b", first.id);
  upstream.deleteChains();
  expect(await refusal(ask("c", second.id))).toEqual({
    code: "previous_response_not_found",
    message: expect.stringContaining("has not stored"),
  });
  expect(elapsed()).toBe(0);
});

test("the turns before a deleted one can still be found", async () => {
  const { ask, upstream, deps } = await createHarness();
  const first = await ask("a");
  const second = await ask("b", first.id);
  const third = await ask("c", second.id);
  await deleteStoredTurn(deps, "ada", second.id);
  upstream.deleteChains();
  expect((await ask("d", third.id)).text).toBe("a|c|d");
});

test("a deletion that could not be written is an error", async () => {
  const { ask, deps } = await createHarness();
  const first = await ask("a");
  const store = { ...deps.store, write: () => Promise.resolve(false) };
  await expect(deleteStoredTurn({ ...deps, store }, "ada", first.id)).rejects.toMatchObject({ code: "unavailable" });
});

test("with `turns: false`, nothing can be replayed, and the error says so", async () => {
  const { ask, upstream } = await createHarness({ turns: false });
  const first = await ask("a");
  expect((await ask("b", first.id)).continuity).toBe("upstream");
  upstream.deleteChains();
  expect(await refusal(ask("c", first.id))).toEqual({
    code: "previous_response_not_found",
    message: expect.stringContaining("Send the whole conversation"),
  });
});

test("a foreign id and an invented one get the same refusal, and upstream is not called", async () => {
  const { ask, upstream, deps } = await createHarness();
  const first = await ask("a");
  const foreign = await refusal(ask("b", first.id, { owner: "bob" }));
  const never = await signId(
    {
      ...deps.idKeys,
      mac: [
        await crypto.subtle.importKey("raw", new Uint8Array(32).fill(9), { name: "HMAC", hash: "SHA-256" }, false, [
          "sign",
        ]),
      ],
    },
    "bob",
    {
      kind: "upstream",
      isStored: true,
      turn: 1,
      minute: 30_000_000,
      nonce: 7,
      value: "up_1",
    },
  );
  expect(await refusal(ask("b", never, { owner: "bob" }))).toEqual(foreign);
  expect(upstream.calls).toHaveLength(1);
});
