// A run: one upstream call and its recording, for all requests with the same Idempotency-Key (docs/contract.md §6). The recording is stored
// as bytes in SQLite rows; the newest bytes remain in memory until they are written. Each reader has its own position, and a slow reader
// delays neither the call nor another reader.
import { DurableObject } from "cloudflare:workers";
import {
  isEnd,
  type Outcome,
  record,
  type RecordingLine,
  runInterrupted,
  type RunSpec,
  toProblemData,
} from "../answer/runs/recording.ts";
import { concatBytes } from "../core/lib/bytes.ts";
import { toProblem } from "../core/lib/problem.ts";
import type { JoinRequest, JoinResult, RunMethods } from "../core/request/run.ts";
import type { Deps } from "../deps.ts";
import { wire } from "../isolate.ts";

const RETENTION_MS = 86_400_000;
/** The size of one row and of one read. It is small, because the chunks of 200 slow readers must fit into an isolate's memory. */
const ROW_BYTES = 65_536;
/** How long new bytes wait for more before they are written, because Cloudflare charges for each row. */
const WRITE_AFTER_MS = 500;
/**
 * The interval of the timers that keep the object alive during a call. Pending work keeps an object without clients alive for at most 15
 * minutes, but each new timer counts as new work.
 */
const KEEP_ALIVE_MS = 60_000;
/** How long a deletion is postponed while a reader is connected. */
const DELETE_RETRY_MS = 300_000;

interface Recording {
  fingerprint: string;
  run: string;
  /** How many bytes are stored in rows. */
  writtenBytes: number;
  /** The bytes that follow those in rows. They are in memory only. */
  tail: Uint8Array[];
  tailBytes: number;
  /** Whether the last attempt to write `tail` failed. */
  writeFailed: boolean;
  /** The offset of the line that ends the recording; undefined until that line is recorded. */
  endAt: number | undefined;
  /** Whether the object was stopped during the call. If so, readers may have received bytes beyond `endAt` that the object then lost. */
  interrupted: boolean;
  /** Callbacks that wake the readers that are waiting for new bytes. */
  waitingReaders: (() => void)[];
  timer: ReturnType<typeof setTimeout> | null;
  /** The outcome of the call; undefined if the object was restarted since the call. */
  outcome: Promise<Outcome> | undefined;
}

type RunRow = { fingerprint: string; run: string; end_at: number | null; interrupted: number };

export class Run extends DurableObject<Env> implements RunMethods {
  #recording: Recording | undefined;
  #readers = 0;

  async join(request: JoinRequest): Promise<JoinResult> {
    let recording = (this.#recording ??= this.#load());
    const { fingerprint = recording?.fingerprint, existingRun } = request;
    if (recording !== undefined && recording.fingerprint !== fingerprint) return { refused: "reused" };
    if (existingRun !== undefined && recording?.run !== existingRun) return { refused: "lost" };
    const role = recording === undefined ? "started" : recording.endAt === undefined ? "joined" : "replayed";
    recording ??= this.#start(request);
    // There is no await before this line, so only one of two simultaneous requests starts the call.
    if (role === "started") await this.ctx.storage.setAlarm(Date.now() + RETENTION_MS);
    const from = Math.min(request.from, (recording.interrupted ? recording.endAt : undefined) ?? lengthOf(recording));
    return { role, run: recording.run, from, stream: this.#openReader(recording, from, role === "started") };
  }

  /** Deletes all storage a day after the call's end, but not while a reader is connected. */
  override async alarm(): Promise<void> {
    if (this.#recording !== undefined && this.#recording.endAt === undefined)
      return await this.ctx.storage.setAlarm(Date.now() + RETENTION_MS);
    if (this.#readers > 0) return await this.ctx.storage.setAlarm(Date.now() + DELETE_RETRY_MS);
    this.#recording = undefined;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  #start({ fingerprint = "", run, spec }: JoinRequest): Recording {
    const { sql } = this.ctx.storage;
    // The tables are created here, so that an object that was never asked to start a call stores nothing.
    sql.exec(`CREATE TABLE IF NOT EXISTS run (one INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, run TEXT NOT NULL, end_at INTEGER, interrupted INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS rows (run TEXT NOT NULL, at INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (run, at)) WITHOUT ROWID`);
    sql.exec(
      "INSERT OR REPLACE INTO run (one, fingerprint, run, end_at, interrupted) VALUES (1, ?, ?, NULL, 0)",
      fingerprint,
      run,
    );
    const recording = emptyRecording(fingerprint, run);
    this.#recording = recording;
    recording.outcome = this.#recordCall(recording, spec as RunSpec);
    this.ctx.waitUntil(recording.outcome);
    return recording;
  }

  /** Logs an unexpected failure here, because without Deps the recording has no log. */
  async #loadDeps(requestId: string): Promise<Deps> {
    try {
      return await wire.deps(this.env);
    } catch (error) {
      wire.log(this.env).exception(requestId, toProblem(error));
      throw error;
    }
  }

  async #recordCall(recording: Recording, spec: RunSpec): Promise<Outcome> {
    let timer = setTimeout(function keepAlive() {
      timer = setTimeout(keepAlive, KEEP_ALIVE_MS);
    }, KEEP_ALIVE_MS);
    try {
      const outcome = await record(
        () => this.#loadDeps(spec.requestId),
        spec,
        (work) => this.ctx.waitUntil(work),
        (line) => this.#append(recording, line),
      );
      this.#end(recording, outcome.isFinal);
      return outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Loads the recording that this object wrote before it was last stopped; undefined if there is none. If the recording has no end, the
   * call was interrupted. Then the problem of an interrupted run is appended as the end.
   */
  #load(): Recording | undefined {
    const { sql } = this.ctx.storage;
    if (sql.exec("SELECT name FROM sqlite_master WHERE name = 'run'").toArray().length === 0) return undefined;
    const [stored] = sql.exec<RunRow>("SELECT * FROM run").toArray();
    if (stored === undefined) return undefined;
    const [last] = sql
      .exec<{ length: number }>(
        "SELECT at + LENGTH(bytes) AS length FROM rows WHERE run = ? ORDER BY at DESC LIMIT 1",
        stored.run,
      )
      .toArray();
    const recording: Recording = {
      ...emptyRecording(stored.fingerprint, stored.run),
      writtenBytes: last?.length ?? 0,
      endAt: stored.end_at ?? undefined,
      interrupted: stored.end_at === null || stored.interrupted === 1,
    };
    if (stored.end_at === null) {
      this.#append(recording, { problem: toProblemData(runInterrupted()), logFields: {} });
      this.#end(recording, true);
    }
    return recording;
  }

  /** Appends a line and wakes the waiting readers. @returns the length of the line in bytes */
  #append(recording: Recording, line: RecordingLine): number {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    if (isEnd(line)) recording.endAt = lengthOf(recording);
    recording.tail.push(bytes);
    recording.tailBytes += bytes.length;
    // Each attempt to write concatenates the whole tail. So after a failure, the next attempt waits for the timer.
    if (recording.tailBytes >= ROW_BYTES && !recording.writeFailed) this.#write(recording);
    else recording.timer ??= setTimeout(() => this.#write(recording), WRITE_AFTER_MS);
    for (const wake of recording.waitingReaders.splice(0)) wake();
    return bytes.length;
  }

  /**
   * Writes the tail to rows. If that fails, the tail remains in memory, where readers can get it as long as this object lives.
   * @param hasEnded whether to write the end of the recording, too
   */
  #write(recording: Recording, hasEnded = false): void {
    if (recording.timer !== null) clearTimeout(recording.timer);
    recording.timer = null;
    const { run, writtenBytes, tail, endAt, interrupted } = recording;
    const bytes = concatBytes(tail);
    try {
      this.ctx.storage.transactionSync(() => {
        const { sql } = this.ctx.storage;
        for (let at = 0; at < bytes.length; at += ROW_BYTES) {
          sql.exec(
            "INSERT INTO rows (run, at, bytes) VALUES (?, ?, ?)",
            run,
            writtenBytes + at,
            bytes.slice(at, at + ROW_BYTES),
          );
        }
        if (hasEnded && endAt !== undefined)
          sql.exec("UPDATE run SET end_at = ?, interrupted = ? WHERE run = ?", endAt, interrupted ? 1 : 0, run);
      });
      recording.writtenBytes += bytes.length;
      recording.tail = [];
      recording.tailBytes = 0;
      recording.writeFailed = false;
    } catch (error) {
      recording.writeFailed = true;
      wire.log(this.env).warn("run_not_written", error);
    }
  }

  #end(recording: Recording, isFinal: boolean): void {
    if (isFinal) {
      this.#write(recording, true);
      this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + RETENTION_MS));
      return;
    }
    // Nothing was paid, so the next request makes a new call. Present readers can still read this recording, and the alarm deletes its
    // rows.
    if (recording.timer !== null) clearTimeout(recording.timer);
    this.#recording = undefined;
    this.ctx.storage.sql.exec("DELETE FROM run WHERE run = ?", recording.run);
  }

  #openReader(recording: Recording, from: number, isStarter: boolean): ReadableStream<Uint8Array> {
    const { readable, writable } = new IdentityTransformStream();
    this.#readers += 1;
    this.ctx.waitUntil(
      this.#send(recording, from, writable.getWriter())
        .finally(() => (this.#readers -= 1))
        .catch(async () => {
          // The reader has disconnected. If its request started the call, that request's log line can't show the call's cost.
          if (isStarter && recording.outcome !== undefined)
            wire.log(this.env).request((await recording.outcome).logFields, "run");
        }),
    );
    return readable;
  }

  async #send(recording: Recording, from: number, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    let disconnected = false;
    writer.closed.catch(() => {
      disconnected = true;
      for (const wake of recording.waitingReaders.splice(0)) wake();
    });
    for (let at = from; ;) {
      const bytes = this.#read(recording, at);
      if (bytes !== undefined) {
        await writer.write(bytes);
        at += bytes.length;
      } else if (recording.endAt !== undefined) {
        await writer.close();
        return;
      } else {
        await new Promise<void>((resolve) => recording.waitingReaders.push(resolve));
        if (disconnected) throw new Error("the reader has disconnected");
      }
    }
  }

  /** Returns at most one row's bytes from the offset `at` on; undefined if there are none yet. */
  #read(recording: Recording, at: number): Uint8Array | undefined {
    if (at < recording.writtenBytes) {
      const [row] = this.ctx.storage.sql
        .exec<{ at: number; bytes: ArrayBuffer }>(
          "SELECT at, bytes FROM rows WHERE run = ? AND at <= ? ORDER BY at DESC LIMIT 1",
          recording.run,
          at,
        )
        .toArray();
      if (row === undefined) throw new Error("the recording is gone");
      return new Uint8Array(row.bytes, at - row.at);
    }
    let skip = at - recording.writtenBytes;
    for (const piece of recording.tail) {
      if (skip < piece.length) return piece.slice(skip, skip + ROW_BYTES);
      skip -= piece.length;
    }
    return undefined;
  }
}

function emptyRecording(fingerprint: string, run: string): Recording {
  return {
    fingerprint,
    run,
    writtenBytes: 0,
    tail: [],
    tailBytes: 0,
    writeFailed: false,
    endAt: undefined,
    interrupted: false,
    waitingReaders: [],
    timer: null,
    outcome: undefined,
  };
}

const lengthOf = ({ writtenBytes, tailBytes }: Recording): number => writtenBytes + tailBytes;
