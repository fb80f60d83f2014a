// Ownership of the console's stored session: no account sees another's ids or questions, or sends another's question again.
import { expect, test, vi } from "vitest";
import { isPaidOnce } from "../../src/console/chat/model/abandoned.ts";
import { type OwnershipVerdict, compareOwners } from "../../src/console/session/ownership.ts";
import { clearSession, readSession } from "../../src/console/session/session-store.ts";
import { answerQuestion, consoleStage, openChat, reload, waitForSent } from "../support/console-stage.ts";

const stage = consoleStage();
const { sent, storage } = stage;

const part = (data: object): string => Buffer.from(JSON.stringify(data)).toString("base64url");
const token = (payload: object, alg = "HS256"): string => `${part({ alg })}.${part(payload)}.signature`;

test.each([
  ["no account, then local", { account: null, accountDigest: null }, { account: "local", accountDigest: null }, "own"],
  [
    "no account, then a key",
    { account: null, accountDigest: null },
    { account: "server", accountDigest: "1" },
    "another's",
  ],
  ["local, twice", { account: "local", accountDigest: null }, { account: "local", accountDigest: null }, "own"],
  [
    "local, then a key",
    { account: "local", accountDigest: null },
    { account: "server", accountDigest: "1" },
    "another's",
  ],
  [
    "a key, then local",
    { account: "server", accountDigest: "1" },
    { account: "local", accountDigest: null },
    "another's",
  ],
  ["the same key", { account: "server", accountDigest: "1" }, { account: "server", accountDigest: "1" }, "own"],
  ["another key", { account: "server", accountDigest: "1" }, { account: "server", accountDigest: "2" }, "another's"],
  [
    "a token without a subject, after one with",
    { account: "session", accountDigest: "1" },
    { account: "session", accountDigest: null },
    "unknown",
  ],
  [
    "a token with a subject, after one without",
    { account: "session", accountDigest: null },
    { account: "session", accountDigest: "1" },
    "unknown",
  ],
  [
    "the same publishable key, which is public",
    { account: "publishable", accountDigest: "1" },
    { account: "publishable", accountDigest: "1" },
    "unknown",
  ],
  [
    "another publishable key",
    { account: "publishable", accountDigest: "1" },
    { account: "publishable", accountDigest: "2" },
    "another's",
  ],
] as const satisfies [string, object, object, OwnershipVerdict][])(
  "owner of the stored session: %s",
  (_, stored, current, verdict) => {
    expect(compareOwners(stored, current)).toBe(verdict);
  },
);

async function leaveUnanswered(credential: string | undefined): Promise<void> {
  const before = openChat(credential);
  await answerQuestion(stage, before, "One.", "a");
  void before.ask("Is this between us?", { instructions: "Be discreet." });
  await waitForSent(stage, 2);
}

test.each([
  ["from npm start to a key", undefined, "sk_key"],
  ["from one key to another", "sk_one", "sk_two"],
  ["from one user to another of the same kind", token({ sub: "ada" }), token({ sub: "bob" })],
  [
    "from one user to another provider's user of the same name",
    token({ sub: "ada", iss: "x" }, "RS256"),
    token({ sub: "ada", iss: "y" }, "RS256"),
  ],
  ["from one publishable key to another", "pk_one", "pk_two"],
])("%s, nothing is carried over: no id, no question and no key", async (_, before, now) => {
  await leaveUnanswered(before);
  stage.threads["a"] = [{ input: "One.", answer: { id: "a", text: "" } }];
  const { chat, restored } = reload(now);
  await restored;
  expect(chat.discardedRun).toBe(true);
  expect(chat.isBusy).toBe(false);
  expect(chat.conversation.roots).toEqual([]);
  expect(sent.length).toBe(2);
  expect(storage()).not.toMatch(/between us|discreet/);
  expect(readSession()).toMatchObject({ leaves: [], shownId: null, receivedAt: {}, jobs: [] });
  expect(storage()).not.toContain(String(sent[1]?.key));
});

test("a new token with the same subject is the same account, and its question is resumed", async () => {
  await leaveUnanswered(token({ sub: "ada", exp: 1 }));
  const { chat, restored } = reload(token({ sub: "ada", exp: 2, iss: "also us" }));
  await restored;
  expect(chat.discardedRun).toBe(false);
  expect(readSession().run?.key).toBe(sent[1]?.key);
});

test.each([
  ["with a publishable key, which is public", "pk_site"],
  ["with a token without a subject", "opaque"],
])("%s, an unanswered question is neither shown nor sent until the user asks for it", async (_, credential) => {
  void openChat(credential).ask("Is this between us?", {});
  await waitForSent(stage, 1);
  const { chat, restored } = reload(credential);
  await restored;
  expect([chat.unclaimed, chat.isBusy, sent.length]).toEqual([1, false, 1]);
  expect(chat.conversation.roots).toEqual([]);
  await chat.showUnclaimed();
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the turn is on display");
  expect(turn).toMatchObject({ input: "Is this between us?", state: "stopped" });
  expect([chat.unclaimed, isPaidOnce(turn), sent.length]).toEqual([0, false, 1]);
  void chat.resume(turn);
  await waitForSent(stage, 2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, body: sent[0]?.body });
});

test("a reload by another account does not claim a question of unknown ownership", async () => {
  void openChat("opaque").ask("Is this between us?", {});
  await waitForSent(stage, 1);
  for (let times = 0; times < 2; times += 1) {
    const { chat, restored } = reload(token({ sub: "bob" }));
    await restored;
    expect([chat.unclaimed, chat.conversation.roots]).toEqual([1, []]);
  }
});

test("a question of unknown ownership can be discarded, with everything stored about it", async () => {
  void openChat("pk_site").ask("Is this between us?", {});
  await waitForSent(stage, 1);
  const { chat, restored } = reload("pk_site");
  await restored;
  chat.discardUnclaimed();
  expect(chat.unclaimed).toBe(0);
  expect(storage()).not.toContain("between us");
});

test("another question does not discard a question of unknown ownership", async () => {
  void openChat("pk_site").ask("Is this between us?", {});
  await waitForSent(stage, 1);
  const { chat, restored } = reload("pk_site");
  await restored;
  await answerQuestion(stage, chat, "Something else.", "b");
  expect(readSession().waiting.map(({ key }) => key)).toEqual([sent[0]?.key]);
  expect(chat.unclaimed).toBe(1);
});

test("the stored digest has 12 hexadecimal digits, too few to reveal the credential", async () => {
  await leaveUnanswered("sk_0123456789abcdef");
  await vi.waitFor(() =>
    expect(readSession()).toMatchObject({ account: "server", accountDigest: expect.stringMatching(/^[\da-f]{12}$/) }),
  );
  expect(storage()).not.toContain("0123456789abcdef");
});

test("signing out before ownership is claimed stores nothing", async () => {
  const chat = openChat("sk_key");
  const finished = chat.ask("Who?", {});
  clearSession();
  chat.close();
  await finished;
  expect(sent.length).toBe(0);
  expect(storage()).toBe("[]");
});
