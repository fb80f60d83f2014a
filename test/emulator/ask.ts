// The client of the emulator's own tests: real HTTP on loopback. The answer has the status, headers, text, JSON and events.
// A broken connection is part of the answer, not an exception.
import { connect } from "node:net";

import { createParser } from "eventsource-parser";

import type { Emulator } from "./emulator.ts";
import { asObject, asObjects, asText, type JsonObject, parseJson } from "./json.ts";

export type EmulatorAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: JsonObject;
  readonly events: JsonObject[];
  /** True if the connection broke before the end. */
  readonly broken: boolean;
};

export type AskOptions = { readonly key?: string; readonly disconnectWhen?: (text: string) => boolean };

const request = (body: JsonObject | string, key: string): RequestInit => ({
  method: "POST",
  headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  body: typeof body === "string" ? body : JSON.stringify(body),
  redirect: "manual",
});

export async function ask(
  emulator: Emulator,
  body: JsonObject | string,
  { key = "sk-any", disconnectWhen: leaveWhen = () => false }: AskOptions = {},
): Promise<EmulatorAnswer> {
  const disconnected = new AbortController();
  const chunks: Uint8Array[] = [];
  let answer: Response | undefined;
  let broken = false;
  try {
    answer = await fetch(`${emulator.url}/v1/responses`, {
      ...request(body, key),
      signal: disconnected.signal,
    });
    for await (const chunk of answer.body ?? []) {
      chunks.push(chunk);
      if (leaveWhen(Buffer.concat(chunks).toString("utf8"))) disconnected.abort();
    }
  } catch {
    broken = true;
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return {
    status: answer?.status ?? 0,
    headers: answer?.headers ?? new Headers(),
    text,
    json: asObject(parseJson(text)) ?? {},
    events: eventsIn(text),
    broken,
  };
}

export function eventsIn(text: string): JsonObject[] {
  const events: JsonObject[] = [];
  const parser = createParser({
    onEvent: ({ data }) => {
      const event = asObject(parseJson(data));
      if (event) events.push(event);
    },
  });
  parser.feed(text);
  return events;
}

/** The lengths of the HTTP chunks of an answer, which no HTTP client shows. */
export async function chunksOf(emulator: Emulator, body: JsonObject): Promise<Buffer[]> {
  const raw = JSON.stringify(body);
  const socket = connect(emulator.port, "127.0.0.1");
  socket.write(
    `POST /v1/responses HTTP/1.1\r\nhost: emulator\r\nauthorization: Bearer sk-any\r\n` +
      `content-length: ${Buffer.byteLength(raw)}\r\nconnection: close\r\n\r\n${raw}`,
  );
  const received: Buffer[] = [];
  for await (const piece of socket) received.push(piece as Buffer);
  const bytes = Buffer.concat(received);
  const chunks: Buffer[] = [];
  let at = bytes.indexOf("\r\n\r\n") + 4;
  for (;;) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.subarray(at, line).toString(), 16);
    if (!(size > 0)) return chunks;
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** All `output_text` parts of all messages, joined: what the SDKs call output_text. */
export const outputTextOf = (response: JsonObject): string =>
  asObjects(response["output"])
    .flatMap((item) => asObjects(item["content"]))
    .map((part) => (part["type"] === "output_text" ? (asText(part["text"]) ?? "") : ""))
    .join("");

export const terminalOf = (events: JsonObject[]): JsonObject => asObject(events.at(-1)?.["response"]) ?? {};

export const typesOf = (events: JsonObject[]): string[] => events.map((event) => asText(event["type"]) ?? "");
