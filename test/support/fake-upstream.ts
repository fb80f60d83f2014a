// An upstream in memory. It stores its own chains, can delete or ignore them, and answers with all texts of the conversation, so that an
// answer proves what the upstream received.
import { isRecord, type JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { asItems } from "../../src/core/turns/replay-input.ts";
import type { Upstream } from "../../src/platform/upstream/upstream.ts";

export interface FakeUpstream extends Upstream {
  calls: { body: JsonObject; stream: boolean; aborted: boolean }[];
  /** Deletes all chains. */
  deleteChains: () => void;
  /** Accepts `previous_response_id` and ignores it. Only its absence in the response shows this. */
  ignoresChain: boolean;
  /** Streams begin with an event that contains no response object. */
  sendsKeepalive: boolean;
  /** The id of the nth answer. */
  idOf: (count: number) => string | undefined;
}

export function fakeUpstream(): FakeUpstream {
  const chains = new Map<string, string[]>();
  let count = 0;
  const encoder = new TextEncoder();
  const frame = (data: JsonObject): Uint8Array =>
    encoder.encode(`event: ${String(data["type"])}\ndata: ${JSON.stringify(data)}\n\n`);
  const upstream: FakeUpstream = {
    calls: [],
    ignoresChain: false,
    sendsKeepalive: false,
    idOf: (number) => `up_${number}`,
    deleteChains: () => chains.clear(),
    async create(body, stream) {
      const call = { body, stream, aborted: false };
      upstream.calls.push(call);
      const previous = body["previous_response_id"];
      const earlier = typeof previous === "string" && !upstream.ignoresChain ? chains.get(previous) : [];
      if (earlier === undefined) {
        throw new Problem("upstream_rejected", "not found", {
          paid: "unpaid",
          refusalOf: "parent",
          upstreamCode: "previous_response_not_found",
          param: "previous_response_id",
        });
      }
      const texts = [
        ...earlier,
        ...asItems(body["input"])
          .filter((item) => item["role"] === "user")
          .map((item) => String(item["content"])),
      ];
      count += 1;
      const id = upstream.idOf(count);
      if (id !== undefined) chains.set(id, texts);
      const response: JsonObject = {
        ...(id === undefined ? {} : { id }),
        object: "response",
        status: "completed",
        model: body["model"],
        ...(upstream.ignoresChain ? {} : { previous_response_id: previous ?? null }),
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
        ...(upstream.sendsKeepalive ? [[frame({ type: "keepalive", sequence_number: 0 })]] : []),
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
    problemFromBody: (body) =>
      new Problem("upstream_error", isRecord(body["error"]) ? String(body["error"]["message"]) : "failed", {
        paid: "maybe",
      }),
  };
  return upstream;
}
