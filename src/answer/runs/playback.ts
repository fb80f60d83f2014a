// A recording heard by one request: the lines that a Flight keeps, made into the same Whole or Streamed that answer() gives. A
// connection to the object that breaks is taken up again where it broke; what was heard is never heard twice.
import { hitHeaders } from "../../core/cache/cache-status.ts";
import { runUnreachable, type JoinResult, type JoinRequest } from "../../core/request/idempotency.ts";
import { parseJson } from "../../core/lib/json.ts";
import { Problem } from "../../core/lib/problem.ts";
import type { Deps, RequestContext } from "../../deps.ts";
import type { LogFields } from "../../platform/log.ts";
import type { StreamedAnswer, WholeAnswer } from "../answer.ts";
import type { FinishedAnswer } from "../pending-turn.ts";
import { readFrame } from "../events.ts";
import { runInterrupted, type RecordingLine, toProblem } from "./recording.ts";

/** Pauses before the object is asked again, in milliseconds, as long as no new byte comes. */
const JOIN_AGAIN_MS = [0, 200, 1_000];
const LF = 10;

/** A stream begins before it is known whether it will be kept; the whole answer says so. */
function withStored(headers: Record<string, string>, { stored }: FinishedAnswer): Record<string, string> {
  const status = headers["cache-status"];
  return stored && status !== undefined ? { ...headers, "cache-status": `${status}; stored` } : headers;
}

type Playing = Extract<JoinResult, { role: unknown }>;

export class Playback {
  readonly #deps: Deps;
  readonly #name: string;
  readonly #order: JoinRequest;
  readonly #facts: LogFields;
  readonly #run: string;
  /** This request's log line says what the call cost. */
  #pays: boolean;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Bytes that came so far, and those of them that are no whole line yet. */
  #at: number;
  #rest: Uint8Array[] = [];
  #lines: string[] = [];
  #left = false;
  /** Ends a wait at once: what is cancelled may take its time to say so. */
  #stop: (() => void) | undefined;
  /** Since the last byte that was new, which stood there. */
  #tries = 0;
  #furthest = 0;

  /** @param context of the request that listens; the log of the one that started the flight is told what it cost */
  constructor(deps: Deps, name: string, order: JoinRequest, joined: Playing, { logFields, signal }: RequestContext) {
    this.#deps = deps;
    this.#name = name;
    this.#order = order;
    this.#facts = logFields;
    this.#run = joined.run;
    this.#pays = joined.role === "started";
    this.#at = joined.from;
    this.#reader = joined.stream.getReader();
    if (signal?.aborted === true) this.#cancel();
    else signal?.addEventListener("abort", () => this.#cancel(), { once: true });
  }

  /** The answer as it goes on. @throws Problem */
  async streamed(): Promise<WholeAnswer | StreamedAnswer> {
    const first = await this.#next();
    if ("whole" in first) return this.#wholeOf(first);
    if (!("open" in first)) throw new Error("a recording does not begin so");
    const { id, previousId, headers } = first.open;
    const encoder = new TextEncoder();
    return {
      kind: "stream",
      id,
      previousId,
      headers,
      // A flight promises its id before anything else, and keeps to it.
      idFor: () => Promise.resolve(id ?? ""),
      next: async () => {
        const line = await this.#next();
        if (!("frames" in line)) throw new Error("a recording does not go on so");
        const events = line.frames
          .map((text) => readFrame(encoder.encode(text)))
          .filter((event) => event !== undefined);
        return "finished" in line ? { events, finished: line.finished } : { events };
      },
      cancel: () => this.#cancel(),
    };
  }

  /** The answer once it is whole. @throws Problem */
  async whole(): Promise<WholeAnswer> {
    for (let headers: Record<string, string> = {}; ;) {
      const line = await this.#next();
      if ("whole" in line) return this.#wholeOf(line);
      if ("open" in line) headers = line.open.headers;
      if ("finished" in line)
        return { kind: "whole", finished: line.finished, headers: withStored(headers, line.finished) };
    }
  }

  /** A hit is heard for a day, and ages meanwhile. */
  #wholeOf({ whole: finished, headers, kept }: Extract<RecordingLine, { whole: unknown }>): WholeAnswer {
    const asOfNow = kept === undefined ? {} : hitHeaders(kept, Math.floor(this.#deps.now() / 1_000));
    return { kind: "whole", finished, headers: { ...headers, ...asOfNow } };
  }

  /** @throws Problem, also the recorded one */
  async #next(): Promise<RecordingLine> {
    for (;;) {
      const text = this.#lines.shift();
      if (text !== undefined) {
        const line = parseJson(text) as RecordingLine;
        if ("logFields" in line) this.#learn(line.logFields);
        if ("problem" in line) throw toProblem(line.problem);
        return line;
      }
      await this.#read();
    }
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#unlessLeft(this.#reader.read());
      // A recording says itself where it ends.
      if (done) throw new Error("broke");
      this.#at += value.length;
      if (this.#at > this.#furthest) this.#tries = 0;
      this.#furthest = Math.max(this.#at, this.#furthest);
      this.#split(value);
    } catch {
      if (this.#left) throw new Problem("upstream_error", "The caller left.", { reason: "client_left" });
      await this.#again();
    }
  }

  async #again(): Promise<void> {
    this.#reader.cancel().catch(() => undefined);
    // The object takes a connection that broke for a client that left, and logs the cost itself.
    this.#pays = false;
    for (;;) {
      const pause = JOIN_AGAIN_MS[this.#tries++];
      if (pause === undefined) throw runUnreachable();
      if (pause > 0) await this.#deps.sleep(pause);
      const joined = await this.#deps.runs
        .join(this.#name, { ...this.#order, existingRun: this.#run, from: this.#at })
        .catch(() => undefined);
      if (joined === undefined) continue;
      if ("refused" in joined) throw runInterrupted();
      // What was heard last is not kept: the end that follows stands on a line of its own.
      if (joined.from !== this.#at) this.#rest = [];
      this.#at = joined.from;
      this.#reader = joined.stream.getReader();
      return;
    }
  }

  #unlessLeft<T>(reading: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#stop = () => reject(new Error("left"));
      if (this.#left) this.#stop();
      reading.then(resolve, reject);
    });
  }

  #split(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#rest.push(bytes.subarray(start, end));
      const decoder = new TextDecoder();
      this.#lines.push(this.#rest.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode());
      this.#rest = [];
      start = end + 1;
    }
    if (start < bytes.length) this.#rest.push(bytes.subarray(start));
  }

  #learn(logFields: Partial<LogFields>): void {
    const { model, preset, response_id } = logFields;
    Object.assign(
      this.#facts,
      this.#pays ? logFields : { model, preset, ...(response_id === undefined ? {} : { response_id }) },
    );
  }

  #cancel(): void {
    this.#left = true;
    this.#stop?.();
    this.#reader.cancel().catch(() => undefined);
  }
}
