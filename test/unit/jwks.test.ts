// The key sets of identity providers: when they are fetched, and how long they remain valid.
import { describe, expect, test } from "vitest";
import { createJsonFetcher } from "../../src/platform/io/fetch-json.ts";
import { createJwksCache } from "../../src/platform/jwks.ts";

const URL_ = "https://id.example.com/jwks";
const MINUTE = 60_000;

/** A fake provider and a fake clock. Sleeping lets all other work run first. */
function provider(kids: string[], settings: { local?: boolean } = {}) {
  let clock = 1_800_000_000_000;
  const state = {
    kids,
    fetches: 0,
    warnings: 0,
    /** Fetches passed to waitUntil. */
    waitUntilCalls: 0,
    reply: (): Response | Promise<Response> => Response.json({ keys: state.kids.map((kid) => ({ kty: "EC", kid })) }),
    pass: (ms: number) => void (clock += ms),
  };
  const keys = createJwksCache({
    fetchJson: createJsonFetcher(async () => {
      state.fetches += 1;
      return state.reply();
    }),
    now: () => clock,
    sleep: async (ms) => {
      clock += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
    local: settings.local ?? false,
    warn: () => void (state.warnings += 1),
  });
  return {
    state,
    kidsOf: async (kid?: string, url = URL_) =>
      (await keys(url, kid, () => void (state.waitUntilCalls += 1))).map((key) => key["kid"]),
  };
}

const unavailable = expect.objectContaining({ code: "unavailable", status: 503 }) as Error;

describe("keys of an identity provider", () => {
  test("are fetched once, and again only after ten minutes", async () => {
    const { state, kidsOf } = provider(["a"]);
    for (const minutes of [0, 5, 4]) {
      state.pass(minutes * MINUTE);
      expect(await kidsOf("a")).toEqual(["a"]);
    }
    expect(state.fetches).toBe(1);
    state.pass(2 * MINUTE);
    await kidsOf("a");
    expect(state.fetches).toBe(2);
  });

  test("are fetched again for an unknown key id, at most once in 30 s", async () => {
    const { state, kidsOf } = provider(["a"]);
    await kidsOf("a");
    state.kids = ["a", "b"];
    expect(await kidsOf("b")).toEqual(["a"]);
    state.pass(30_000);
    expect(await kidsOf("b")).toEqual(["a", "b"]);
    expect(state.fetches).toBe(2);
  });

  test("are fetched once in 30 s for many invented key ids, in parallel or in sequence", async () => {
    const { state, kidsOf } = provider(["a"]);
    await Promise.all(Array.from({ length: 100 }, (_, at) => kidsOf(`made-up-${at}`)));
    for (let at = 0; at < 100; at += 1) await kidsOf(`more-${at}`);
    expect(state.fetches).toBe(1);
    state.pass(30_000);
    await Promise.all(Array.from({ length: 100 }, (_, at) => kidsOf(`made-up-${at}`)));
    expect(state.fetches).toBe(2);
  });

  test("are fetched once for simultaneous first requests, which all get them", async () => {
    const { state, kidsOf } = provider(["a"]);
    let answer = (): void => undefined;
    const plain = state.reply;
    state.reply = () => new Promise((resolve) => (answer = () => resolve(plain())));
    const all = Promise.all(Array.from({ length: 20 }, () => kidsOf("a")));
    await new Promise((resolve) => setImmediate(resolve));
    answer();
    expect(await all).toEqual(Array.from({ length: 20 }, () => ["a"]));
    expect(state.fetches).toBe(1);
  });

  test("are awaited for 5 s if the fetch hangs, and a request after 30 s fetches again", async () => {
    const { state, kidsOf } = provider(["a"]);
    const plain = state.reply;
    state.reply = () => new Promise(() => undefined);
    void kidsOf("a").catch(() => undefined);
    await expect(kidsOf("a")).rejects.toEqual(unavailable);
    state.reply = plain;
    state.pass(25_000);
    expect(await kidsOf("a")).toEqual(["a"]);
    expect(state.fetches).toBe(2);
  });

  test("remain valid for 24 hours while the provider is down, and not longer", async () => {
    const { state, kidsOf } = provider(["a"]);
    await kidsOf("a");
    state.reply = () => Promise.reject(new TypeError("refused"));
    state.pass(23 * 60 * MINUTE);
    expect(await kidsOf("a")).toEqual(["a"]);
    expect([state.fetches, state.waitUntilCalls, state.warnings]).toEqual([2, 2, 1]);
    state.pass(61 * MINUTE);
    await expect(kidsOf("a")).rejects.toEqual(unavailable);
  });

  test.each<[string, () => Response]>([
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "https://elsewhere.example" } })],
    ["an error", () => Response.json({ keys: [] }, { status: 500 })],
    ["invalid JSON", () => new Response("<html>")],
    ["JSON that is not a key set", () => Response.json({ keys: "none" })],
    ["a response that is too large", () => new Response(`{"keys":[],"x":"${"x".repeat(262_144)}"}`)],
  ])("%s is not a key set", async (_name, reply) => {
    const { state, kidsOf } = provider(["a"]);
    state.reply = reply;
    await expect(kidsOf("a")).rejects.toEqual(unavailable);
    await expect(kidsOf("a")).rejects.toEqual(unavailable);
    expect(state.fetches).toBe(1);
  });

  test("are fetched over http only under ENVIRONMENT=local", async () => {
    const url = "http://127.0.0.1:9000/jwks";
    await expect(provider(["a"]).kidsOf("a", url)).rejects.toMatchObject({ code: "misconfigured" });
    expect(await provider(["a"], { local: true }).kidsOf("a", url)).toEqual(["a"]);
  });
});
