// Runs the Turnstile code of docs/browser.md unchanged, with stubs for the page's storage and for the Worker.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { snippetIn } from "../support/doc-snippet.ts";

type GetToken = (solve: () => Promise<string>) => Promise<string>;

const requests: unknown[] = [];
let storage: Record<string, string>;
beforeEach(() => {
  requests.length = 0;
  storage = {};
  vi.stubGlobal("localStorage", storage);
});
afterEach(() => vi.unstubAllGlobals());

/** Loads the code as a page does after a reload. */
async function open(): Promise<GetToken> {
  const code = `${snippetIn("Turnstile", "js")}\n// ${Math.random()}`;
  return (
    (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)) as { getToken: GetToken }
  ).getToken;
}

function worker(...answers: [status: number, body: object][]): void {
  vi.stubGlobal("fetch", async (url: string, init: { body: string }) => {
    requests.push([url, JSON.parse(init.body)]);
    const [status, body] = answers.shift() ?? [500, {}];
    return Response.json(body, { status });
  });
}
const session = (token: string, seconds: number): object => ({ token, expires_at: Date.now() / 1_000 + seconds });
const solve = (): Promise<string> => Promise.resolve("solved");
const refused: [number, object] = [401, { error: { message: "no" } }];

test("a visitor solves one challenge, and the page uses the token until it expires, even after a reload", async () => {
  worker([201, session("one", 300)]);
  const getToken = await open();
  expect([await getToken(solve), await getToken(solve), await (await open())(solve)]).toEqual(["one", "one", "one"]);
  expect(requests).toEqual([["https://ask.example.com/sessions", { turnstile: "solved" }]]);
});

test("an expired token is renewed for the same visitor", async () => {
  worker([201, session("one", -5)], [201, session("two", 300)]);
  const getToken = await open();
  await getToken(solve);
  expect(await getToken(solve)).toBe("two");
  expect(requests[1]).toEqual(["https://ask.example.com/sessions", { turnstile: "solved", renew: "one" }]);
});

test("a token that is too old to renew is replaced by a new visitor's token, with the same solution", async () => {
  storage["session"] = JSON.stringify(session("ancient", -99));
  worker(refused, [201, session("new", 300)]);
  expect(await (await open())(solve)).toBe("new");
  expect(requests.map((request) => (request as [string, object])[1])).toEqual([
    { turnstile: "solved", renew: "ancient" },
    { turnstile: "solved" },
  ]);
});

test("a refusal throws the Worker's message", async () => {
  worker(refused);
  await expect((await open())(solve)).rejects.toThrow("no");
});
