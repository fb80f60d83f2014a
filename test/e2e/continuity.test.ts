// Conversations of 50 turns, which never lose their context even though upstream deletes its responses and ignores ids.
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

/** The emulator's answer if it knows every turn of the conversation. */
function fullAnswer(texts: readonly string[]): string {
  const before = texts.slice(0, -1).map((text) => `"${text}"`);
  const now = `You said: "${texts.at(-1)}".`;
  return before.length === 0 ? now : `Turn ${texts.length}. ${now} Before that you said: ${before.join(", ")}.`;
}

/** Sends the SDK's requests through the checked client, too. */
async function checkedFetch(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const headers = Object.fromEntries(new Headers(init?.headers).entries());
  const response = await worker.send(new URL(String(url)).pathname, {
    method: init?.method ?? "GET",
    headers,
    body: String(init?.body),
  });
  return new Response(response.text, { status: response.status, headers: response.headers });
}

interface TurnResult {
  id: string;
  text: string;
  continuity: string | undefined;
}

type AskTurn = (input: string, previous: string | undefined, model: string) => Promise<TurnResult>;

const WAYS: Record<string, AskTurn> = {
  async "/ask as JSON"(input, previous_response_id, model) {
    const response = await worker.ask({ input, previous_response_id, model });
    expect(response.status, response.text).toBe(200);
    const { id, text } = JSON.parse(response.text) as { id: string; text: string };
    return { id, text, continuity: response.headers["x-continuity"] };
  },
  async "/ask as a stream"(input, previous_response_id, model) {
    const response = await worker.ask({ input, previous_response_id, model, stream: true });
    expect(response.status, response.text).toBe(200);
    const done = /event: done\ndata: (.*)\n/.exec(response.text)?.[1] ?? "{}";
    const { id, text } = JSON.parse(done) as { id: string; text: string };
    return { id, text, continuity: response.headers["x-continuity"] };
  },
  async "/v1/responses as JSON"(input, previous_response_id, model) {
    const response = await worker.send("/v1/responses", {
      method: "POST",
      body: { input, previous_response_id, model },
    });
    expect(response.status, response.text).toBe(200);
    const { id, output_text } = JSON.parse(response.text) as { id: string; output_text: string };
    return { id, text: output_text, continuity: response.headers["x-continuity"] };
  },
  async "the openai SDK, streaming"(input, previous_response_id, model) {
    const client = new OpenAI({
      baseURL: new URL("/v1", worker.url).href,
      apiKey: SERVER_KEY,
      maxRetries: 0,
      fetch: checkedFetch,
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
    return { id, text, continuity: response.headers.get("x-continuity") ?? undefined };
  },
};

interface Conversation {
  continuities: (string | undefined)[];
  calls: number;
  /** Input and output tokens that the Worker logged. */
  tokens: number;
}

/** Runs 50 turns. Each answer must know all turns before it. @param modelOf the model of a turn @param before runs before each turn */
async function converse(
  ask: AskTurn,
  modelOf: (turn: number) => string,
  before: (turn: number) => void,
): Promise<Conversation> {
  emulator.clear();
  const requests = (): ReturnType<Worker["log"]> => worker.log().filter(({ event }) => event === "request");
  const earlier = requests().length;
  const texts: string[] = [];
  const hows: Conversation["continuities"] = [];
  let previous: string | undefined;
  for (let turn = 1; turn <= 50; turn += 1) {
    before(turn);
    texts.push(`${PROMPT} ${turn}`);
    const answer = await ask(texts.at(-1) ?? "", previous, modelOf(turn));
    expect(answer.text).toBe(fullAnswer(texts));
    hows.push(answer.continuity);
    previous = answer.id;
  }
  await expect.poll(() => requests().length - earlier).toBe(50);
  const tokens = requests()
    .slice(earlier)
    .reduce((sum, line) => sum + Number(line["input_tokens"]) + Number(line["output_tokens"]), 0);
  return { continuities: hows, calls: emulator.calls(), tokens };
}

let undisturbed: Conversation;
test("50 turns that upstream stores take 50 calls, and every follow-up continues by upstream's own id", async () => {
  undisturbed = await converse(
    WAYS["/ask as JSON"] as AskTurn,
    () => "gpt-undisturbed",
    () => undefined,
  );
  expect(undisturbed.continuities).toEqual([undefined, ...Array.from({ length: 49 }, () => "upstream")]);
  expect(undisturbed.calls).toBe(50);
});

test.each(Object.entries(WAYS))(
  "50 turns over %s: upstream deletes its responses before turns 7 and 23 and ignores ids from turn 31 on, and every answer still knows the whole conversation",
  async (way, ask) => {
    const {
      continuities: hows,
      calls,
      tokens,
    } = await converse(
      ask,
      (turn) =>
        turn < 31 ? `gpt-${way.replaceAll(/\W+/g, "-")}` : `emulate/ignores-chain/${Object.keys(WAYS).indexOf(way)}`,
      (turn) => (turn === 7 || turn === 23) && emulator.deleteResponses(),
    );
    expect(hows.flatMap((how, at) => (how === "replayed" ? [at + 1] : []))).toEqual([
      7,
      23,
      ...Array.from({ length: 20 }, (_, at) => 31 + at),
    ]);
    // Upstream refused two calls, unpaid. The Worker noticed once that the model ignores ids, and aborted that call at its first event.
    expect(calls).toBe(50 + 2 + 1);
    const aborted = emulator.received.filter(({ ended }) => ended === "client_left");
    expect(aborted.length).toBeLessThanOrEqual(1);
    // A replayed conversation has the same input tokens that upstream bills for its own chain, so no answer was paid twice.
    expect(tokens).toBe(undisturbed.tokens);
  },
);
