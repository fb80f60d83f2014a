// An upstream in memory, for tests of the path alone: it knows its own chains, can be told to forget or to ignore them, and answers
// with every text that it knows of, so that an answer proves what reached it.
import { isRecord, type JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { asItems } from "../../src/core/turns/replay-input.ts";
import type { Upstream } from "../../src/platform/upstream/upstream.ts";

export interface Relay extends Upstream {
  calls: { body: JsonObject; stream: boolean; aborted: boolean }[];
  /** No chain is known any more. */
  forget: () => void;
  /** `previous_response_id` is taken and not followed; nothing says so but the missing echo. */
  ignores: boolean;
  /** Streams begin with an event that carries no response object. */
  greets: boolean;
  /** Ids of answers, by count. */
  idOf: (count: number) => string | undefined;
}

export function relay(): Relay {
  const chains = new Map<string, string[]>();
  let count = 0;
  const encoder = new TextEncoder();
  const frame = (data: JsonObject): Uint8Array =>
    encoder.encode(`event: ${String(data["type"])}\ndata: ${JSON.stringify(data)}\n\n`);
  const made: Relay = {
    calls: [],
    ignores: false,
    greets: false,
    idOf: (number) => `up_${number}`,
    forget: () => chains.clear(),
    async create(body, stream) {
      const call = { body, stream, aborted: false };
      made.calls.push(call);
      const previous = body["previous_response_id"];
      const known = typeof previous === "string" && !made.ignores ? chains.get(previous) : [];
      if (known === undefined) {
        throw new Problem("upstream_rejected", "not found", {
          paid: "unpaid",
          upstreamCode: "previous_response_not_found",
          param: "previous_response_id",
        });
      }
      const texts = [
        ...known,
        ...asItems(body["input"])
          .filter((item) => item["role"] === "user")
          .map((item) => String(item["content"])),
      ];
      count += 1;
      const id = made.idOf(count);
      if (id !== undefined) chains.set(id, texts);
      const response: JsonObject = {
        ...(id === undefined ? {} : { id }),
        object: "response",
        status: "completed",
        model: body["model"],
        ...(made.ignores ? {} : { previous_response_id: previous ?? null }),
        output: [
          {
            type: "message",
            id: `msg_${count}`,
            role: "assistant",
            content: [{ type: "output_text", text: texts.join("|"), annotations: [] }],
          },
        ],
        usage: { input_tokens: texts.length, output_tokens: 1, total_tokens: texts.length + 1 },
      };
      if (!stream) return { kind: "response", response };
      const batches = [
        ...(made.greets ? [[frame({ type: "keepalive", sequence_number: 0 })]] : []),
        [
          frame({
            type: "response.created",
            sequence_number: 0,
            response: { ...response, status: "in_progress", output: [], usage: null },
          }),
        ],
        [frame({ type: "response.output_text.delta", sequence_number: 1, output_index: 0, delta: texts.join("|") })],
        [frame({ type: "response.completed", sequence_number: 2, response })],
      ];
      return {
        kind: "stream",
        stream: { next: async () => batches.shift() ?? null, cancel: () => (call.aborted = batches.length > 0) },
      };
    },
    models: async () => ({ object: "list", data: [] }),
    fault: (body) =>
      new Problem("upstream_error", isRecord(body["error"]) ? String(body["error"]["message"]) : "failed", {
        paid: "maybe",
      }),
  };
  return made;
}
