// One upstream call whose events the test sends itself, at any time and in any pieces.
import { vi } from "vitest";

/** Takes the place of `fetch`. `isClosed`: the Worker has aborted the call or canceled the body. */
export function scriptedUpstream(): {
  called: Promise<void>;
  send: (...events: object[]) => void;
  sendBytes: (text: string) => void;
  end: () => void;
  isClosed: () => boolean;
} {
  const encoder = new TextEncoder();
  let answer: ((response: () => Response) => void) | undefined;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let signal: AbortSignal | null | undefined;
  let cancelled = false;
  let call: (() => void) | undefined;
  const called = new Promise<void>((resolve) => {
    call = resolve;
  });
  const answered = new Promise<() => Response>((resolve) => {
    answer = resolve;
  });
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    signal = init?.signal;
    call?.();
    return (await answered)();
  });
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void (cancelled = true),
  });
  const sendBytes = (text: string): void => {
    answer?.(() => new Response(body, { headers: { "content-type": "text/event-stream" } }));
    controller?.enqueue(encoder.encode(text));
  };
  return {
    called,
    sendBytes,
    send: (...events) => sendBytes(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")),
    end: () => controller?.close(),
    isClosed: () => cancelled || signal?.aborted === true,
  };
}

export const created = {
  type: "response.created",
  response: { id: "resp_scripted", model: "scripted-1", status: "in_progress", output: [] },
};
export const deltaEvent = (text: string): object => ({
  type: "response.output_text.delta",
  output_index: 0,
  delta: text,
});
export const completedEvent = (text: string): object => ({
  type: "response.completed",
  response: {
    id: "resp_scripted",
    model: "scripted-1",
    status: "completed",
    output: [{ type: "message", content: [{ type: "output_text", text }] }],
  },
});
