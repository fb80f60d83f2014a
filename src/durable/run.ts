// One call of upstream and its recording, for everybody who asks with the same key (contract section 6). The recording is a row of
// bytes in SQLite, its newest part in memory until it is written; each reader goes through it at its own pace, and none holds it up.
import { DurableObject } from "cloudflare:workers";
import { runInterrupted, toProblemData, type RecordingLine, type Outcome, record, type RunSpec } from "../answer/runs/recording.ts";
import type { JoinResult, JoinRequest } from "../core/request/idempotency.ts";
import { wire } from "../isolate.ts";

const KEPT_MS = 86_400_000;
/** Of one row, and what one reader is given at once: 200 slow ones must fit into an isolate. */
const ROW_BYTES = 65_536;
/** What was read waits so long for company before it is written: rows are paid. */
const WRITE_AFTER_MS = 500;
/** Pending work holds an object without clients for 15 minutes; fresh work holds it again. */
const HOLD_MS = 60_000;
/** Until the alarm looks again whether somebody still listens. */
const AGAIN_MS = 300_000;

interface Recording {
  fingerprint: string;
  run: string;
  /** Bytes in rows. */
  written: number;
  /** What follows them. */
  tail: Uint8Array[];
  tailBytes: number;
  /** The last try to write it has failed. */
  unwritten: boolean;
  /** Where the last line begins, once there is one. */
  endAt: number | undefined;
  /** The object stopped in mid-flight: what had been heard beyond `endAt` is not kept. */
  broke: boolean;
  /** Readers who have heard all there is. */
  waiting: (() => void)[];
  timer: ReturnType<typeof setTimeout> | null;
  outcome: Promise<Outcome> | undefined;
}

type Row = { fingerprint: string; run: string; end_at: number | null; broke: number };

export class Run extends DurableObject<Env> {
  #recording: Recording | undefined;
  #readers = 0;

  async join(order: JoinRequest): Promise<JoinResult> {
    let recording = (this.#recording ??= this.#recall());
    const { fingerprint = recording?.fingerprint } = order;
    if (recording !== undefined && recording.fingerprint !== fingerprint) return { refused: "reused" };
    if (order.existingRun !== undefined && recording?.run !== order.existingRun) return { refused: "lost" };
    const role = recording === undefined ? "started" : recording.endAt === undefined ? "joined" : "replayed";
    recording ??= this.#start(order);
    // Nothing was awaited until here: of twins only one starts.
    if (role === "started") await this.ctx.storage.setAlarm(Date.now() + KEPT_MS);
    const from = Math.min(order.from, (recording.broke ? recording.endAt : undefined) ?? lengthOf(recording));
    return { role, run: recording.run, from, stream: this.#play(recording, from, role === "started") };
  }

  /** A day is over. */
  override async alarm(): Promise<void> {
    if (this.#recording !== undefined && this.#recording.endAt === undefined)
      return await this.ctx.storage.setAlarm(Date.now() + KEPT_MS);
    // Nothing is pulled away from under who is listening.
    if (this.#readers > 0) return await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS);
    this.#recording = undefined;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  #start({ fingerprint = "", run, spec: task }: JoinRequest): Recording {
    const { sql } = this.ctx.storage;
    // Not before: an object that was only asked for what it does not have leaves nothing behind.
    sql.exec(`CREATE TABLE IF NOT EXISTS flight (one INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, run TEXT NOT NULL, end_at INTEGER, broke INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS rows (run TEXT NOT NULL, at INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (run, at)) WITHOUT ROWID`);
    sql.exec(
      "INSERT OR REPLACE INTO flight (one, fingerprint, run, end_at, broke) VALUES (1, ?, ?, NULL, 0)",
      fingerprint,
      run,
    );
    const recording = recordingOf(fingerprint, run);
    this.#recording = recording;
    recording.outcome = this.#fly(recording, task as RunSpec);
    this.ctx.waitUntil(recording.outcome);
    return recording;
  }

  async #fly(recording: Recording, task: RunSpec): Promise<Outcome> {
    let timer = setTimeout(function hold() {
      timer = setTimeout(hold, HOLD_MS);
    }, HOLD_MS);
    try {
      const outcome = await record(
        () => wire.deps(this.env),
        task,
        (work) => this.ctx.waitUntil(work),
        (line) => this.#add(recording, line),
      );
      this.#end(recording, outcome.keep);
      return outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What an earlier life of this object has left. If it ended in mid-flight, that is said at its end, once and for all. */
  #recall(): Recording | undefined {
    const { sql } = this.ctx.storage;
    if (sql.exec("SELECT name FROM sqlite_master WHERE name = 'flight'").toArray().length === 0) return undefined;
    const [kept] = sql.exec<Row>("SELECT * FROM flight").toArray();
    if (kept === undefined) return undefined;
    const [last] = sql
      .exec<{ length: number }>(
        "SELECT at + LENGTH(bytes) AS length FROM rows WHERE run = ? ORDER BY at DESC LIMIT 1",
        kept.run,
      )
      .toArray();
    const recording: Recording = {
      ...recordingOf(kept.fingerprint, kept.run),
      written: last?.length ?? 0,
      endAt: kept.end_at ?? undefined,
      broke: kept.end_at === null || kept.broke === 1,
    };
    if (kept.end_at === null) {
      this.#add(recording, { problem: toProblemData(runInterrupted()), logFields: {} });
      this.#end(recording, true);
    }
    return recording;
  }

  #add(recording: Recording, line: RecordingLine): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    if ("problem" in line || "whole" in line || "finished" in line) recording.endAt = lengthOf(recording);
    recording.tail.push(bytes);
    recording.tailBytes += bytes.length;
    // Not again for each further line: every try puts all of them together.
    if (recording.tailBytes >= ROW_BYTES && !recording.unwritten) this.#write(recording);
    else recording.timer ??= setTimeout(() => this.#write(recording), WRITE_AFTER_MS);
    for (const wake of recording.waiting.splice(0)) wake();
  }

  /** What can't be written stays in memory, where it is heard as long as this object lives. */
  #write(recording: Recording, ended = false): void {
    if (recording.timer !== null) clearTimeout(recording.timer);
    recording.timer = null;
    const { run, written, tail, tailBytes, endAt, broke } = recording;
    const bytes = joined(tail, tailBytes);
    try {
      this.ctx.storage.transactionSync(() => {
        const { sql } = this.ctx.storage;
        for (let at = 0; at < bytes.length; at += ROW_BYTES) {
          sql.exec(
            "INSERT INTO rows (run, at, bytes) VALUES (?, ?, ?)",
            run,
            written + at,
            bytes.slice(at, at + ROW_BYTES),
          );
        }
        if (ended && endAt !== undefined)
          sql.exec("UPDATE flight SET end_at = ?, broke = ? WHERE run = ?", endAt, broke ? 1 : 0, run);
      });
      recording.written += bytes.length;
      recording.tail = [];
      recording.tailBytes = 0;
      recording.unwritten = false;
    } catch (error) {
      recording.unwritten = true;
      wire.log(this.env).warn("flight_not_written", error);
    }
  }

  #end(recording: Recording, keep: boolean): void {
    if (keep) {
      this.#write(recording, true);
      this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + KEPT_MS));
      return;
    }
    // Nothing was paid: the next one starts anew. Who is listening hears this one to its end; the alarm removes what it left.
    if (recording.timer !== null) clearTimeout(recording.timer);
    this.#recording = undefined;
    this.ctx.storage.sql.exec("DELETE FROM flight WHERE run = ?", recording.run);
  }

  #play(recording: Recording, from: number, starts: boolean): ReadableStream<Uint8Array> {
    const { readable, writable } = new IdentityTransformStream();
    this.#readers += 1;
    this.ctx.waitUntil(
      this.#say(recording, from, writable.getWriter())
        .finally(() => (this.#readers -= 1))
        .catch(async () => {
          // The reader has left. What the call costs would have stood in the log line of the request that started it.
          if (starts && recording.outcome !== undefined)
            wire.log(this.env).request((await recording.outcome).logFields, "flight");
        }),
    );
    return readable;
  }

  async #say(recording: Recording, from: number, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    let left = false;
    writer.closed.catch(() => {
      left = true;
      for (const wake of recording.waiting.splice(0)) wake();
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
        await new Promise<void>((resolve) => recording.waiting.push(resolve));
        if (left) throw new Error("the reader has left");
      }
    }
  }

  /** Some of what follows at that place; undefined where there is nothing yet. */
  #read(recording: Recording, at: number): Uint8Array | undefined {
    if (at < recording.written) {
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
    let skip = at - recording.written;
    for (const piece of recording.tail) {
      if (skip < piece.length) return piece.slice(skip, skip + ROW_BYTES);
      skip -= piece.length;
    }
    return undefined;
  }
}

function recordingOf(fingerprint: string, run: string): Recording {
  return {
    fingerprint,
    run,
    written: 0,
    tail: [],
    tailBytes: 0,
    unwritten: false,
    endAt: undefined,
    broke: false,
    waiting: [],
    timer: null,
    outcome: undefined,
  };
}

const lengthOf = ({ written, tailBytes }: Recording): number => written + tailBytes;

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
