// Reads the lines of a run's recording for one request. If the connection to the run's object breaks, it joins the run again at the byte
// where it stopped, so no line is returned twice. It does not know what the lines mean; reply.ts turns them into replies.
import { concatBytes } from "../../core/lib/bytes.ts";
import { type JsonObject, parseJson } from "../../core/lib/json.ts";
import { Problem } from "../../core/lib/problem.ts";
import { type JoinedRecording, type JoinRequest, runUnreachable } from "../../core/request/run.ts";
import type { Deps, RequestContext } from "../../deps.ts";
import type { LogFields } from "../../platform/log.ts";
import { type RecordingLine, runInterrupted, problemFromData } from "./recording.ts";

/** Pauses before each attempt to join again, in milliseconds. A new byte resets the number of attempts. */
const REJOIN_DELAYS_MS = [0, 200, 1_000];
const LF = 10;
const decoder = new TextDecoder();

export class Playback {
  readonly #deps: Deps;
  readonly #name: string;
  readonly #request: JoinRequest;
  readonly #run: string;
  readonly #logFields: LogFields;
  /** Whether this request's log line shows the tokens and the cost of the call. */
  #logsCost: boolean;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Offset in bytes of the next read from the recording. */
  #position: number;
  /** The bytes of the last line, whose end was not read yet. */
  #partialLine: Uint8Array[] = [];
  /** Lines that were read but not returned yet. */
  #lines: string[] = [];
  #disconnected = false;
  /** Ends a pending read immediately, because a cancelled reader may take long to reject. */
  #rejectRead: (() => void) | undefined;
  /** Upstream's response with the items so far, if the recording ended with a problem. */
  failedResponse: JsonObject = {};
  /** How often the run was joined again since the last new byte. */
  #rejoins = 0;
  #furthestPosition = 0;

  /**
   * @param name the name of the run's Durable Object
   * @param context the context of the reading request. Its log fields get the call's tokens and cost if this request started the run
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

  /**
   * Returns the next line.
   * @throws Problem the recorded one; unavailable if the object can't be reached; upstream_error if the caller has disconnected
   */
  async next(): Promise<Exclude<RecordingLine, { problem: unknown }>> {
    for (;;) {
      const text = this.#lines.shift();
      if (text !== undefined) {
        const line = parseJson(text) as RecordingLine;
        if ("logFields" in line) this.#addLogFields(line.logFields);
        if ("problem" in line) {
          this.failedResponse = line.failedResponse ?? {};
          throw problemFromData(line.problem);
        }
        return line;
      }
      await this.#read();
    }
  }

  /** Call this when the caller disconnects. The run itself continues. */
  cancel(): void {
    this.#disconnected = true;
    this.#rejectRead?.();
    this.#reader.cancel().catch(() => undefined);
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#unlessDisconnected(this.#reader.read());
      // No caller reads beyond a recording's last line, so a stream that ends during a read was cut off.
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
    // To the object a broken connection looks like a caller that disconnected, so it logs the cost itself.
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
      // A different offset means that the object was stopped before it stored the last bytes read here. It continues with a new line.
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
