// One job's record, in a Durable Object: decides whether an event is new or a duplicate, holds order, outcome and deliveries, and sees
// to it that an instance of the Workflow runs. Each method is one turn of a single thread. Times are passed in, in milliseconds.
import { DurableObject } from "cloudflare:workers";
import {
  type Delivery,
  type DeliveryAttempt,
  type FailedTry,
  type JobOrder,
  type JobOutcome,
  type JobRun,
  type JobStatus,
  type JobView,
  LOST,
} from "../core/job.ts";

const MINUTE_MS = 60_000;
const KEPT_MS = 30 * 86_400_000;
/** Beyond every deadline of a try: whoever asked is dead. */
const STUCK_MS = 65 * MINUTE_MS;
/** In a row of SQLite, which holds at most 1 MiB beside its key. */
const PIECE_BYTES = 1_000_000;

interface State {
  /** Its id: an alarm is not told the object's name. */
  job: string;
  status: JobStatus;
  /** A redelivered event of a failed job begins the next. */
  run: number;
  /** The run's instance exists. */
  started: boolean;
  /** The try whose call is under way, or was when its engine died. */
  asking: number | null;
  tries: FailedTry[];
  /** When the next try is due. */
  nextAt: number | null;
  /** Which delivery of this run counts: the last that was asked for. */
  deliveryNumber: number;
  delivery: Delivery | null;
  createdAt: number;
  updatedAt: number;
}

/** What it holds, each as JSON in as many rows as it takes. */
interface Documents {
  order: JobOrder;
  state: State;
  outcome: JobOutcome;
}

export class JobRecord extends DurableObject<Env> {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
  }

  /** A new event, one of a failed job, which begins anew, or a duplicate. Once this is said the job is not lost any more. */
  async accept(at: number, job: string, order: JobOrder): Promise<{ accepted: boolean; status: JobStatus; run: number }> {
    const before = this.#state();
    if (before !== null && before.status !== "failed") return { accepted: false, status: before.status, run: before.run };
    const run = (before?.run ?? 0) + 1;
    const state: State = {
      job,
      status: "queued",
      run,
      started: order.sync,
      asking: null,
      tries: [],
      nextAt: null,
      deliveryNumber: 0,
      delivery: order.callback === null ? null : { status: "pending", attempts: [], next_at: null },
      createdAt: before?.createdAt ?? at,
      updatedAt: at,
    };
    this.ctx.storage.transactionSync(() => {
      this.#write("order", order);
      this.#write("state", state);
      this.#remove("outcome");
    });
    await this.ctx.storage.setAlarm(at + (order.sync ? STUCK_MS : MINUTE_MS));
    if (!order.sync) this.ctx.waitUntil(this.#start({ job, run }));
    return { accepted: true, status: "queued", run };
  }

  /**
   * Before upstream is asked. Null: there is nothing to do any more, also where this very try was begun before and its engine died: its
   * call may have been paid, so the job fails.
   */
  async begin(at: number, run: number, attempt: number): Promise<JobOrder | null> {
    const state = this.#current(run);
    if (state === null) return null;
    if (state.asking !== null) {
      this.#end(state, at, { answer: null, error: LOST });
      return null;
    }
    this.#write("state", { ...state, status: "running", started: true, asking: attempt, nextAt: null, updatedAt: at } satisfies State);
    await this.ctx.storage.setAlarm(at + STUCK_MS);
    return this.#read("order");
  }

  /** The try failed, unpaid, and is made again. */
  async postpone(at: number, run: number, failed: FailedTry, nextAt: number): Promise<void> {
    const state = this.#current(run);
    if (state === null) return;
    this.#write("state", { ...state, asking: null, tries: [...state.tries, failed], nextAt, updatedAt: at } satisfies State);
  }

  /** The run is over. Only its first word counts. */
  async finish(at: number, run: number, outcome: JobOutcome): Promise<void> {
    const state = this.#current(run);
    if (state !== null) this.#end(state, at, outcome);
  }

  /** What is to be delivered; null where another delivery has taken this one's place, or nothing is. */
  async deliverable(run: number, number: number): Promise<{ order: JobOrder; outcome: JobOutcome; endedAt: number } | null> {
    const state = this.#state();
    const order = this.#read("order");
    const outcome = this.#read("outcome");
    if (state?.run !== run || state.deliveryNumber !== number || order === null || outcome === null) return null;
    return state.delivery?.status === "pending" ? { order, outcome, endedAt: state.updatedAt } : null;
  }

  /** What came of one attempt. */
  async delivered(run: number, number: number, attempt: DeliveryAttempt, status: Delivery["status"], nextAt: number | null): Promise<void> {
    const state = this.#state();
    if (state?.run !== run || state.deliveryNumber !== number || state.delivery === null) return;
    const delivery: Delivery = { status, attempts: [...state.delivery.attempts, attempt], next_at: nextAt };
    this.#write("state", { ...state, delivery } satisfies State);
  }

  /** The delivery alone, again; it takes the place of one that is still waiting. @throws Error where the engine can't be reached */
  async redeliver(): Promise<"accepted" | "unfinished" | "nothing to deliver"> {
    const state = this.#state();
    if (state === null || state.delivery === null) return "nothing to deliver";
    if (state.status === "queued" || state.status === "running") return "unfinished";
    const delivery = state.deliveryNumber + 1;
    // First: an instance that finds an older number stops. One that could not be started leaves a number that nobody has.
    const next: State = { ...state, deliveryNumber: delivery, delivery: { ...state.delivery, status: "pending", next_at: null } };
    this.#write("state", next);
    if (await this.#start({ job: state.job, run: state.run, delivery })) return "accepted";
    this.#write("state", { ...next, delivery: { ...state.delivery, status: "failed", next_at: null } } satisfies State);
    throw new Error("no instance could be started");
  }

  /** @param reader whose jobs may be seen besides those of hooks: an owner */
  async view(reader: string): Promise<JobView | null> {
    const state = this.#state();
    const order = this.#read("order");
    if (state === null || order === null || (order.hook === null && order.caller.owner !== reader)) return null;
    const outcome = this.#read("outcome");
    return {
      job: state.job,
      status: state.status,
      ...(order.hook === null ? {} : { hook: order.hook }),
      created_at: Math.floor(state.createdAt / 1_000),
      ...(state.tries.length === 0 ? {} : { tries: state.tries }),
      ...(state.nextAt === null ? {} : { next_at: Math.floor(state.nextAt / 1_000) }),
      ...(outcome === null ? {} : outcome.answer === null ? { error: outcome.error } : { answer: outcome.answer }),
      ...(state.delivery === null ? {} : { delivery: state.delivery }),
      metadata: order.metadata,
    };
  }

  /** The answer of a job that has one, and what it was asked with. */
  async outcome(): Promise<{ order: JobOrder; outcome: JobOutcome } | null> {
    const order = this.#read("order");
    const outcome = this.#read("outcome");
    return order === null || outcome === null ? null : { order, outcome };
  }

  /** Starts what was recorded and never started; fails what an engine or a waiting sender's isolate left behind; at last removes all. */
  override async alarm(): Promise<void> {
    const at = Date.now();
    const state = this.#state();
    const order = this.#read("order");
    if (state === null || order === null || at >= state.updatedAt + KEPT_MS) {
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
      return;
    }
    const isOpen = state.status === "queued" || state.status === "running";
    const mayBeStuck = isOpen && (state.asking !== null || order.sync);
    if (isOpen && !state.started) {
      await this.ctx.storage.setAlarm(at + MINUTE_MS);
      await this.#start({ job: state.job, run: state.run });
    } else if (mayBeStuck && at < state.updatedAt + STUCK_MS) {
      await this.ctx.storage.setAlarm(state.updatedAt + STUCK_MS);
    } else {
      if (mayBeStuck) this.#end(state, at, { answer: null, error: LOST });
      await this.ctx.storage.setAlarm(Math.max(at, state.updatedAt) + KEPT_MS);
    }
  }

  /** One instance for a run, however often this is called: an id is good for one. @returns whether there is one */
  async #start(params: JobRun): Promise<boolean> {
    const { job, run, delivery } = params;
    try {
      await this.env.JOBS.create({ id: delivery === undefined ? `${job}-${run}` : `${job}-${run}-${delivery}`, params });
    } catch (error) {
      if (!/already.exists/i.test(String(error))) return false;
    }
    const state = this.#current(run);
    if (state !== null) this.#write("state", { ...state, started: true } satisfies State);
    return true;
  }

  #end(state: State, at: number, outcome: JobOutcome): void {
    this.ctx.storage.transactionSync(() => {
      this.#write("outcome", outcome);
      const status = outcome.answer === null ? "failed" : "completed";
      this.#write("state", { ...state, status, asking: null, nextAt: null, updatedAt: at } satisfies State);
    });
  }

  /** The state while this run is the last one and goes on. */
  #current(run: number): State | null {
    const state = this.#state();
    return state !== null && state.run === run && (state.status === "queued" || state.status === "running") ? state : null;
  }

  #state(): State | null {
    return this.#read("state");
  }

  // An object that was only looked at has no table: it leaves nothing behind.
  #read<Name extends keyof Documents>(name: Name): Documents[Name] | null {
    if (this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'documents'").toArray().length === 0) return null;
    const pieces = this.#sql.exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM documents WHERE name = ? ORDER BY piece", name).toArray();
    if (pieces.length === 0) return null;
    const decoder = new TextDecoder();
    const text = pieces.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join("") + decoder.decode();
    return JSON.parse(text) as Documents[Name];
  }

  #write<Name extends keyof Documents>(name: Name, value: Documents[Name]): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS documents (name TEXT NOT NULL, piece INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, piece))",
    );
    this.#remove(name);
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#sql.exec(
        "INSERT INTO documents (name, piece, bytes) VALUES (?, ?, ?)",
        name,
        at / PIECE_BYTES,
        bytes.slice(at, at + PIECE_BYTES),
      );
    }
  }

  #remove(name: keyof Documents): void {
    this.#sql.exec("DELETE FROM documents WHERE name = ?", name);
  }
}
