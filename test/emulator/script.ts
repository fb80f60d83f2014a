// A script is an answer before it is sent: status, headers, and the bytes in steps with pauses.
// Faults on the wire are changes of a script, so the code that sends it doesn't know about faults.
import { isDelta } from "./events.ts";
import { asText, type JsonObject } from "./json.ts";

export type Step = {
  readonly bytes: Uint8Array;
  /** The number of events that this step completes. */
  readonly events: number;
  readonly delta?: boolean;
  /** Pause before the step. 0 waits for one turn of the event loop, so that steps are not sent as one chunk. */
  readonly pauseMs?: number;
};

export type Script = {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** An iterable, since endless scripts are generators. */
  readonly steps: Iterable<Step>;
  /** `close` breaks the connection after the last step, `hang` waits until the client disconnects, `reset` sends nothing. */
  readonly end: "end" | "close" | "reset" | "hang";
  readonly headersAfterMs?: number;
};

export const step = (text: string, events = 0): Step => ({ bytes: Buffer.from(text), events });

export const textScript = (status: number, text: string, headers: Record<string, string>): Script => ({
  status,
  headers,
  steps: text === "" ? [] : [step(text)],
  end: "end",
});

export const jsonScript = (status: number, body: JsonObject, headers: Record<string, string> = {}): Script =>
  textScript(status, JSON.stringify(body), {
    "content-type": "application/json; charset=utf-8",
    ...headers,
  });

/** Numbers the events, and writes them as `event:` and `data:` lines. Data without a type gets no `event:` line; data with a number keeps it. */
export const sseScript = (events: JsonObject[], paceMs: number): Script => ({
  status: 200,
  headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  steps: events.map((event, sequence_number) => ({
    ...step(`${nameLine(event)}data: ${JSON.stringify(numbered(event, sequence_number))}\n\n`, 1),
    delta: isDelta(event),
    ...(paceMs > 0 && isDelta(event) ? { pauseMs: paceMs } : {}),
  })),
  end: "end",
});

const nameLine = (event: JsonObject): string => {
  const type = asText(event["type"]);
  return type === undefined ? "" : `event: ${type}\n`;
};

const numbered = (event: JsonObject, sequence_number: number): JsonObject =>
  "sequence_number" in event || event["type"] === undefined ? event : { ...event, sequence_number };

export const isStream = (script: Script): boolean =>
  (script.headers["content-type"] ?? "").startsWith("text/event-stream");
