// Whose the console's ids and questions are: nobody sees another's, and nothing of another's is sent or paid again.
import { expect, test, vi } from "vitest";
import { isPaidOnce } from "../../src/console/chat/model/abandoned.ts";
import { type Whose, whoseIs } from "../../src/console/session/ownership.ts";
import { clearSession, storedSession } from "../../src/console/session/session-store.ts";
import { answered, consoleStage, open, reload, sending } from "../support/console-stage.ts";

const stage = consoleStage();
const { sent, storage } = stage;

const part = (data: object): string => Buffer.from(JSON.stringify(data)).toString("base64url");
const token = (payload: object, alg = "HS256"): string => `${part({ alg })}.${part(payload)}.signature`;

test.each([
  ["nobody's, which needs no signing in", { account: null, owner: null }, { account: "local", owner: null }, "own"],
  ["nobody's, then a key", { account: null, owner: null }, { account: "server", owner: "1" }, "another's"],
  ["local, twice", { account: "local", owner: null }, { account: "local", owner: null }, "own"],
  ["local, then a key", { account: "local", owner: null }, { account: "server", owner: "1" }, "another's"],
  ["a key, then local", { account: "server", owner: "1" }, { account: "local", owner: null }, "another's"],
  ["the same key", { account: "server", owner: "1" }, { account: "server", owner: "1" }, "own"],
  ["another key", { account: "server", owner: "1" }, { account: "server", owner: "2" }, "another's"],
  ["a token that says nothing", { account: "session", owner: "1" }, { account: "session", owner: null }, "unknown"],
  ["after one that said nothing", { account: "session", owner: null }, { account: "session", owner: "1" }, "unknown"],
  [
    "a publishable key, which everybody has",
    { account: "publishable", owner: "1" },
    { account: "publishable", owner: "1" },
    "unknown",
  ],
  [
    "another publishable key",
    { account: "publishable", owner: "1" },
    { account: "publishable", owner: "2" },
    "another's",
  ],
] as const satisfies [string, object, object, Whose][])("whose what was kept is: %s", (_, before, now, whose) => {
  expect(whoseIs(before, now)).toBe(whose);
});

async function left(credential: string | undefined): Promise<void> {
  const before = open(credential);
  await answered(stage, before, "One.", "a");
  void before.ask("Is this between us?", { instructions: "Be discreet." });
  await sending(stage, 2);
}

test.each([
  ["from npm start to a key", undefined, "sk_key"],
  ["from one key to another", "sk_one", "sk_two"],
  ["from one user to another of the same kind", token({ sub: "ada" }), token({ sub: "bob" })],
  [
    "from one user to another's of the same name",
    token({ sub: "ada", iss: "x" }, "RS256"),
    token({ sub: "ada", iss: "y" }, "RS256"),
  ],
  ["from one publishable key to another", "pk_one", "pk_two"],
])("%s nothing is taken along: no id, no question, no key", async (_, before, now) => {
  await left(before);
  stage.threads["a"] = [{ input: "One.", answer: { id: "a", text: "" } }];
  const { chat, restored } = reload(now);
  await restored;
  expect(chat.lost).toBe(true);
  expect(chat.held).toBe(false);
  expect(chat.conversation.roots).toEqual([]);
  expect(sent.length).toBe(2);
  expect(storage()).not.toMatch(/between us|discreet/);
  expect(storedSession()).toMatchObject({ leaves: [], shown: null, came: {}, jobs: [] });
  expect(storage()).not.toContain(String(sent[1]?.key));
});

test("whom a fresh token is from is told by its subject: a question goes on with it", async () => {
  await left(token({ sub: "ada", exp: 1 }));
  const { chat, restored } = reload(token({ sub: "ada", exp: 2, iss: "also us" }));
  await restored;
  expect(chat.lost).toBe(false);
  expect(storedSession().run?.key).toBe(sent[1]?.key);
});

test.each([
  ["with a publishable key, which is everybody's", "pk_site"],
  ["with a token that says nothing", "opaque"],
])("%s a question that was left is neither shown nor sent until one wants it", async (_, credential) => {
  void open(credential).ask("Is this between us?", {});
  await sending(stage, 1);
  const { chat, restored } = reload(credential);
  await restored;
  expect([chat.left, chat.held, sent.length]).toEqual([1, false, 1]);
  expect(chat.conversation.roots).toEqual([]);
  await chat.showLeft();
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("it is shown");
  expect(turn).toMatchObject({ input: "Is this between us?", state: "stopped" });
  expect([chat.left, isPaidOnce(turn), sent.length]).toEqual([0, false, 1]);
  void chat.resume(turn);
  await sending(stage, 2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, body: sent[0]?.body });
});

test("nor does a reload make a question somebody's of whom it could not be told", async () => {
  void open("opaque").ask("Is this between us?", {});
  await sending(stage, 1);
  for (let times = 0; times < 2; times += 1) {
    const { chat, restored } = reload(token({ sub: "bob" }));
    await restored;
    expect([chat.left, chat.conversation.roots]).toEqual([1, []]);
  }
});

test("or it is thrown away, with all that was kept of it", async () => {
  void open("pk_site").ask("Is this between us?", {});
  await sending(stage, 1);
  const { chat, restored } = reload("pk_site");
  await restored;
  chat.discardLeft();
  expect(chat.left).toBe(0);
  expect(storage()).not.toContain("between us");
});

test("and asking something else does not throw it away", async () => {
  void open("pk_site").ask("Is this between us?", {});
  await sending(stage, 1);
  const { chat, restored } = reload("pk_site");
  await restored;
  await answered(stage, chat, "Something else.", "b");
  expect(storedSession().waiting.map(({ key }) => key)).toEqual([sent[0]?.key]);
  expect(chat.left).toBe(1);
});

test("what is kept of a credential tells it from others, and is far too short to be it", async () => {
  await left("sk_0123456789abcdef");
  await vi.waitFor(() =>
    expect(storedSession()).toMatchObject({ account: "server", owner: expect.stringMatching(/^[\da-f]{12}$/) }),
  );
  expect(storage()).not.toContain("0123456789abcdef");
});

test("who signs out before it is known whose all is keeps nothing", async () => {
  const chat = open("sk_key");
  const asked = chat.ask("Who?", {});
  clearSession();
  chat.close();
  await asked;
  expect(sent.length).toBe(0);
  expect(storage()).toBe("[]");
});
