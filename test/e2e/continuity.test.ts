import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { PROMPT, SERVER_KEY, startWorker, type Worker } from "./worker.ts";

let emulator: Emulator;
let worker: Worker;
beforeAll(async () => {
  emulator = await startEmulator();
  worker = await startWorker(emulator.url);
});
afterAll(async () => {
  await worker.stop();
  await emulator.close();
});

/** The emulator's words for a conversation of which it knows every turn. */
function knowsAll(texts: readonly string[]): string {
  const before = texts.slice(0, -1).map((text) => `"${text}"`);
  const now = `You said: "${texts.at(-1)}".`;
  return before.length === 0 ? now : `Turn ${texts.length}. ${now} Before that you said: ${before.join(", ")}.`;
}

/** The SDK's requests pass the same guard as all others. */
async function seenFetch(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const headers = Object.fromEntries(new Headers(init?.headers).entries());
  const got = await worker.send(new URL(String(url)).pathname, {
    method: init?.method ?? "GET",
    headers,
    body: String(init?.body),
  });
  return new Response(got.text, { status: got.status, headers: got.headers });
}

interface Asked {
  id: string;
  text: string;
  how: string | undefined;
}

type AskTurn = (input: string, previous: string | undefined, model: string) => Promise<Asked>;

const WAYS: Record<string, AskTurn> = {
  async "/ask as JSON"(input, previous_response_id, model) {
    const got = await worker.ask({ input, previous_response_id, model });
    expect(got.status, got.text).toBe(200);
    const { id, text } = JSON.parse(got.text) as { id: string; text: string };
    return { id, text, how: got.headers["x-continuity"] };
  },
  async "/ask as a stream"(input, previous_response_id, model) {
    const got = await worker.ask({ input, previous_response_id, model, stream: true });
    expect(got.status, got.text).toBe(200);
    const done = /event: done\ndata: (.*)\n/.exec(got.text)?.[1] ?? "{}";
    const { id, text } = JSON.parse(done) as { id: string; text: string };
    return { id, text, how: got.headers["x-continuity"] };
  },
  async "/v1/responses as JSON"(input, previous_response_id, model) {
    const got = await worker.send("/v1/responses", { method: "POST", body: { input, previous_response_id, model } });
    expect(got.status, got.text).toBe(200);
    const { id, output_text } = JSON.parse(got.text) as { id: string; output_text: string };
    return { id, text: output_text, how: got.headers["x-continuity"] };
  },
  async "the openai SDK, streaming"(input, previous_response_id, model) {
    const client = new OpenAI({
      baseURL: new URL("/v1", worker.url).href,
      apiKey: SERVER_KEY,
      maxRetries: 0,
      fetch: seenFetch,
    });
    const { data: stream, response } = await client.responses
      .create({ input, model, stream: true, ...(previous_response_id === undefined ? {} : { previous_response_id }) })
      .withResponse();
    let text = "";
    let id = "";
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "response.completed") id = event.response.id;
    }
    return { id, text, how: response.headers.get("x-continuity") ?? undefined };
  },
};

interface Conversation {
  hows: (string | undefined)[];
  calls: number;
  /** Input and output, as the Worker has logged them. */
  tokens: number;
}

/** 50 turns, each of which must know all those before it. @param modelOf the model of a turn. @param before what happens before one */
async function converse(
  ask: AskTurn,
  modelOf: (turn: number) => string,
  before: (turn: number) => void,
): Promise<Conversation> {
  emulator.clear();
  const logged = worker.log().length;
  const texts: string[] = [];
  const hows: Conversation["hows"] = [];
  let previous: string | undefined;
  for (let turn = 1; turn <= 50; turn += 1) {
    before(turn);
    texts.push(`${PROMPT} ${turn}`);
    const asked = await ask(texts.at(-1) ?? "", previous, modelOf(turn));
    expect(asked.text).toBe(knowsAll(texts));
    hows.push(asked.how);
    previous = asked.id;
  }
  await expect.poll(() => worker.log().length - logged).toBe(50);
  const tokens = worker
    .log()
    .slice(logged)
    .reduce((sum, line) => sum + Number(line["input_tokens"]) + Number(line["output_tokens"]), 0);
  return { hows, calls: emulator.calls(), tokens };
}

let undisturbed: Conversation;
test("50 turns that upstream remembers take 50 calls, each follow-up by upstream's own id", async () => {
  undisturbed = await converse(
    WAYS["/ask as JSON"] as AskTurn,
    () => "gpt-undisturbed",
    () => undefined,
  );
  expect(undisturbed.hows).toEqual([undefined, ...Array.from({ length: 49 }, () => "upstream")]);
  expect(undisturbed.calls).toBe(50);
});

test.each(Object.entries(WAYS))(
  "50 turns over %s, of which upstream forgets at 7 and 23 and ignores the id from 31 on: every answer knows the whole conversation",
  async (way, ask) => {
    const { hows, calls, tokens } = await converse(
      ask,
      (turn) =>
        turn < 31 ? `gpt-${way.replaceAll(/\W+/g, "-")}` : `emulate/ignores-chain/${Object.keys(WAYS).indexOf(way)}`,
      (turn) => (turn === 7 || turn === 23) && emulator.forget(),
    );
    expect(hows.flatMap((how, at) => (how === "replayed" ? [at + 1] : []))).toEqual([
      7,
      23,
      ...Array.from({ length: 20 }, (_, at) => 31 + at),
    ]);
    // Two calls were refused unpaid; the model that ignores was found out once, and left at its first event.
    expect(calls).toBe(50 + 2 + 1);
    const left = emulator.received.filter(({ ended }) => ended === "client_left");
    expect(left.length).toBeLessThanOrEqual(1);
    // A replayed conversation is the same input that upstream bills for its own chain: no answer was paid twice.
    expect(tokens).toBe(undisturbed.tokens);
  },
);
