// Reads the lines of a run's recording for one request. If the connection to the run's object breaks, it joins again where it stopped; no
// line is returned twice. Does not know what the lines mean: reply.ts turns them into replies.
import { concatBytes } from "../../core/lib/bytes.ts";
import { parseJson } from "../../core/lib/json.ts";
import { Problem } from "../../core/lib/problem.ts";
import { type JoinedRecording, type JoinRequest, runUnreachable } from "../../core/request/run.ts";
import type { Deps, RequestContext } from "../../deps.ts";
import type { LogFields } from "../../platform/log.ts";
import { type RecordingLine, runInterrupted, problemFromData } from "./recording.ts";

/** Pauses before each further join while no new byte comes, in milliseconds. */
const REJOIN_DELAYS_MS = [0, 200, 1_000];
const LF = 10;
const decoder = new TextDecoder();

export class Playback {
  readonly #deps: Deps;
  readonly #name: string;
  readonly #request: JoinRequest;
  readonly #run: string;
  readonly #logFields: LogFields;
  /** Whether this request's log line has the tokens and the cost of the call. */
  #logsCost: boolean;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Bytes of the recording that were read. */
  #position: number;
  /** The bytes of a line whose end was not read yet. */
  #partialLine: Uint8Array[] = [];
  /** Lines that were read but not returned yet. */
  #lines: string[] = [];
  #disconnected = false;
  /** Ends a pending read at once: a reader that was cancelled may take its time to reject. */
  #rejectRead: (() => void) | undefined;
  /** Joins since the last new byte. */
  #rejoins = 0;
  #furthestPosition = 0;

  /**
   * @param name of the run's object
   * @param context of the request that reads. Its log fields get what the call cost, if it started the run
   */
  constructor(
    deps: Deps,
    name: string,
    request: JoinRequest,
    joined: JoinedRecording,
    { logFields, signal }: RequestContext,
  ) {
    this.#deps = deps;
    this.#name = name;
    this.#request = request;
    this.#run = joined.run;
    this.#logFields = logFields;
    this.#logsCost = joined.role === "started";
    this.#position = joined.from;
    this.#reader = joined.stream.getReader();
    if (signal?.aborted === true) this.cancel();
    else signal?.addEventListener("abort", () => this.cancel(), { once: true });
  }

  /** The next line. @throws Problem the recorded one; unavailable if the object can't be reached; upstream_error if the caller has disconnected */
  async next(): Promise<Exclude<RecordingLine, { problem: unknown }>> {
    for (;;) {
      const text = this.#lines.shift();
      if (text !== undefined) {
        const line = parseJson(text) as RecordingLine;
        if ("logFields" in line) this.#addLogFields(line.logFields);
        if ("problem" in line) throw problemFromData(line.problem);
        return line;
      }
      await this.#read();
    }
  }

  /** Call this when the caller disconnects. The run itself goes on. */
  cancel(): void {
    this.#disconnected = true;
    this.#rejectRead?.();
    this.#reader.cancel().catch(() => undefined);
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#unlessDisconnected(this.#reader.read());
      // A recording's last line ends it, so a stream that ends before that line has broken.
      if (done) throw new Error("the recording broke off");
      this.#position += value.length;
      if (this.#position > this.#furthestPosition) this.#rejoins = 0;
      this.#furthestPosition = Math.max(this.#position, this.#furthestPosition);
      this.#addLines(value);
    } catch {
      if (this.#disconnected)
        throw new Problem("upstream_error", "The caller disconnected.", { reason: "client_left" });
      await this.#rejoin();
    }
  }

  async #rejoin(): Promise<void> {
    this.#reader.cancel().catch(() => undefined);
    // The object takes a broken connection for a caller that disconnected, and logs the cost itself.
    this.#logsCost = false;
    for (;;) {
      const pause = REJOIN_DELAYS_MS[this.#rejoins++];
      if (pause === undefined) throw runUnreachable();
      if (pause > 0) await this.#deps.sleep(pause);
      const joined = await this.#deps.runs
        .join(this.#name, { ...this.#request, existingRun: this.#run, from: this.#position })
        .catch(() => undefined);
      if (joined === undefined) continue;
      if ("refused" in joined) throw runInterrupted();
      // The object stopped before it had stored the last bytes that were read here. It continues with a new line.
      if (joined.from !== this.#position) this.#partialLine = [];
      this.#position = joined.from;
      this.#reader = joined.stream.getReader();
      return;
    }
  }

  #unlessDisconnected<T>(reading: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#rejectRead = () => reject(new Error("the caller disconnected"));
      if (this.#disconnected) this.#rejectRead();
      reading.then(resolve, reject);
    });
  }

  #addLines(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#partialLine.push(bytes.subarray(start, end));
      this.#lines.push(decoder.decode(concatBytes(this.#partialLine)));
      this.#partialLine = [];
      start = end + 1;
    }
    if (start < bytes.length) this.#partialLine.push(bytes.subarray(start));
  }

  #addLogFields(logFields: Partial<LogFields>): void {
    const { model, preset, response_id } = logFields;
    const shared = { model, preset, ...(response_id === undefined ? {} : { response_id }) };
    Object.assign(this.#logFields, this.#logsCost ? logFields : shared);
  }
}
