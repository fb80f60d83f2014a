// The AI SDK against the app in this process, while upstream sends streams that a relay has broken: it reads the good stream's text and
// calls, or it sees an error. test/unit/relay-sweep.test.ts does the same with the openai SDK, and with more streams.
import { createOpenAI } from "@ai-sdk/openai";
import { streamText, tool } from "ai";
import { expect, test } from "vitest";
import * as z from "zod";
import { createRelayGateway, type RelayGateway } from "../support/relay-gateway.ts";
import { chunksOf, type Habits, HABITS, mutationsOf, withHabits } from "../support/relay-mutations.ts";
import { isTextOf } from "../support/relay-oracle.ts";
import { everyNth } from "../support/relay-sweep.ts";
import { goodStream, PLANS, type RelayEvent, type Truth } from "../support/relay-streams.ts";

const SWEEPS = process.env["SWEEP"] === "1";
const GOOD = PLANS.map(goodStream);
const LONG = { timeout: 1_800_000 };

const anyTool = tool({ inputSchema: z.looseObject({}), execute: () => "done" });

interface Read {
  text: string;
  calls: [id: string, name: string, input: unknown][];
}

/** Returns what the SDK reads; undefined if it reads an error. */
async function read(
  gateway: RelayGateway,
  events: readonly RelayEvent[],
  habits: Habits = {},
): Promise<Read | undefined> {
  gateway.script({ chunks: chunksOf(withHabits(events, habits), habits) });
  const openai = createOpenAI({
    baseURL: "http://localhost/v1",
    apiKey: "sk_any",
    fetch: (input, init) =>
      gateway.fetch(new URL(input instanceof Request ? input.url : input).pathname, {
        body: JSON.parse(String(init?.body)) as object,
      }),
  });
  const result = streamText({
    model: openai.responses("m"),
    prompt: "Hi",
    maxRetries: 0,
    tools: { get_weather: anyTool, get_time: anyTool, look_up: anyTool, shell: openai.tools.customTool({}) },
    onError: () => undefined,
  });
  const { calls, ...read }: Read = { text: "", calls: [] };
  for await (const part of result.stream) {
    if (part.type === "error") return undefined;
    if (part.type === "text-delta") read.text += part.text;
    if (part.type === "tool-call" && part.providerExecuted !== true)
      calls.push([part.toolCallId, part.toolName, part.input]);
  }
  // The SDK makes a call when it is complete, so parallel calls may come in another order.
  return { ...read, calls: calls.toSorted(([a], [b]) => a.localeCompare(b)) };
}

/** Whether the SDK reads the stream's content. It shows a refusal as text. What is finished first comes first. */
function isRight(actual: Read, { messages, refusal, calls }: Truth): boolean {
  const expected = calls.map(({ call_id, name, arguments: text }) => [
    call_id,
    name,
    name === "shell" ? text : (JSON.parse(text) as unknown),
  ]);
  return (
    isTextOf(actual.text, [...messages, { text: refusal, isCommentary: false }], false, false) &&
    JSON.stringify(actual.calls) === JSON.stringify(expected)
  );
}

test("the AI SDK reads every good stream, whatever habits the relay has", LONG, async () => {
  const gateway = await createRelayGateway();
  const faults: string[] = [];
  for (const [at, { name, events, truth }] of GOOD.entries()) {
    for (const habits of everyNth(HABITS, SWEEPS ? 1 : 8, at)) {
      const actual = await read(gateway, events, habits);
      if (actual === undefined || !isRight(actual, truth))
        faults.push(`${name}, ${habits.name}: ${JSON.stringify(actual)}`);
    }
  }
  expect(faults.slice(0, 20).join("\n")).toBe("");
});

test("of a stream with one fault, the AI SDK reads the whole answer or an error", LONG, async () => {
  const gateway = await createRelayGateway();
  const faults: string[] = [];
  for (const [at, { name, events, truth }] of GOOD.entries()) {
    for (const { description, apply } of everyNth(mutationsOf(events), SWEEPS ? 1 : 120, at)) {
      const actual = await read(gateway, apply(events));
      if (actual !== undefined && !isRight(actual, truth))
        faults.push(`${name}, ${description}: ${JSON.stringify(actual)}`);
    }
  }
  expect(faults.slice(0, 20).join("\n")).toBe("");
});
