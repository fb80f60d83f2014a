import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { PROMPT, startWorker, type Worker } from "./worker.ts";

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
};

test.each(Object.entries(WAYS))(
  "50 turns over %s, of which upstream forgets at 7 and 23 and ignores the id from 31 on: every answer knows the whole conversation",
  async (way, ask) => {
    emulator.clear();
    const model = `gpt-${way.replaceAll(/\W+/g, "-")}`;
    const texts: string[] = [];
    const hows: (string | undefined)[] = [];
    let previous: string | undefined;
    for (let turn = 1; turn <= 50; turn += 1) {
      if (turn === 7 || turn === 23) emulator.forget();
      texts.push(`${PROMPT} ${way} ${turn}`);
      const asked = await ask(texts.at(-1) ?? "", previous, turn < 31 ? model : "emulate/ignores-chain");
      expect(asked.text).toBe(knowsAll(texts));
      hows.push(asked.how);
      previous = asked.id;
    }
    const replayed = hows.flatMap((how, at) => (how === "replayed" ? [at + 1] : []));
    expect(replayed).toEqual([7, 23, ...Array.from({ length: 20 }, (_, at) => 31 + at)]);
    expect(hows[0]).toBeUndefined();
    console.log(`${way}: ${emulator.calls()} upstream calls for 50 turns`);
  },
);
