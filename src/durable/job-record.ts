// One job's record, in a Durable Object: decides whether an event is new or a duplicate, holds order, outcome and deliveries, and sees
// to it that an instance of the Workflow runs until both are there. Each method reads and writes in one turn of a single thread; what
// is read before a wait is read again after it. Times are passed in, in milliseconds.
import { DurableObject } from "cloudflare:workers";
import {
  type Delivery,
  type DeliveryAttempt,
  type FailedTry,
  GIVEN_UP,
  type JobSpec,
  type JobOutcome,
  type JobInstance,
  type JobStatus,
  type JobView,
  LOST,
  retryDelay,
} from "../core/jobs/job.ts";
import { eventId, isOpen, type JobState, nextDue } from "../core/jobs/job-state.ts";

/** In a row of SQLite, which holds at most 1 MiB beside its key. */
const PIECE_BYTES = 1_000_000;
/** Until the alarm tries again what the engine refused. */
const AGAIN_MS = 60_000;

/** What it holds, each as JSON in as many rows as it takes. */
interface Documents {
  order: JobSpec;
  state: JobState;
  outcome: JobOutcome;
}

export class JobRecord extends DurableObject<Env> {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
  }

  /**
   * A new event, one of a failed job, which begins anew, or a duplicate. Once this is said the job is not lost any more.
   * @param nonce of this delivery: said again, it is the same word
   */
  async accept(
    at: number,
    job: string,
    order: JobSpec,
    nonce: string,
  ): Promise<{ accepted: boolean; status: JobStatus; instance: string }> {
    const before = this.#read("state");
    if (before !== null && (before.status !== "failed" || before.nonce === nonce)) {
      return { accepted: before.nonce === nonce, status: before.status, instance: before.instance };
    }
    const instance = instanceOf(job);
    this.ctx.storage.transactionSync(() => {
      this.#write("order", order);
      this.#remove("outcome");
      this.#write("state", {
        job,
        status: "queued",
        run: (before?.run ?? 0) + 1,
        nonce,
        sync: order.sync,
        instance,
        started: order.sync,
        asking: null,
        tries: [],
        nextAt: null,
        deliverer: instance,
        deliveryAttempts: 0,
        delivery: order.callback === null ? null : { status: "pending", attempts: [], next_at: null },
        createdAt: before?.createdAt ?? at,
        updatedAt: at,
        endedAt: null,
      });
    });
    await this.#watch();
    if (!order.sync) this.ctx.waitUntil(this.#start());
    return { accepted: true, status: "queued", instance };
  }

  /**
   * Before upstream is asked. Null: this instance has nothing to do any more, also where an earlier execution of it was begun and died:
   * its call may have been paid, so the job fails.
   * @param execution said again, it is the same word
   * @returns `attempt`: which try of this run it is
   */
  async begin(at: number, instance: string, execution: string): Promise<{ order: JobSpec; attempt: number } | null> {
    const state = this.#current(instance);
    const order = this.#read("order");
    if (state === null || order === null) return null;
    if (state.asking !== null && state.asking !== execution) {
      await this.#end(state, at, { answer: null, error: LOST });
      return null;
    }
    await this.#save(at, { ...state, status: "running", started: true, asking: execution, nextAt: null });
    return { order, attempt: state.tries.length + 1 };
  }

  /** The try failed, unpaid, and is made again. */
  async postpone(at: number, instance: string, failed: FailedTry, nextAt: number): Promise<void> {
    const state = this.#current(instance);
    if (state?.asking != null)
      await this.#save(at, { ...state, asking: null, tries: [...state.tries, failed], nextAt });
  }

  /** The run is over. Only its first word counts. */
  async finish(at: number, instance: string, outcome: JobOutcome): Promise<void> {
    const state = this.#current(instance);
    if (state !== null) await this.#end(state, at, outcome);
  }

  /** The instance's step broke: what was being asked is lost, and may have been paid; what was not, may be tried again. @returns when, in milliseconds */
  async giveUp(at: number, instance: string): Promise<number | null> {
    const state = this.#current(instance);
    if (state === null) return null;
    const again = state.asking === null ? retryDelay(state.tries.length + 1) : null;
    if (again === null) {
      await this.#end(state, at, { answer: null, error: state.asking === null ? GIVEN_UP : LOST });
      return null;
    }
    const tries = [...state.tries, { at: Math.floor(at / 1_000), code: GIVEN_UP.code }];
    await this.#save(at, { ...state, tries, nextAt: at + again });
    return again;
  }

  /** What is to be delivered; null where another instance has taken this one's place, or nothing is. */
  async deliverable(instance: string): Promise<Deliverable | null> {
    const state = this.#read("state");
    const order = this.#read("order");
    const outcome = this.#read("outcome");
    if (state?.deliverer !== instance || state.delivery?.status !== "pending" || order === null || outcome === null)
      return null;
    return {
      order,
      outcome,
      event: eventId(state),
      endedAt: state.endedAt ?? state.updatedAt,
      attempt: state.deliveryAttempts + 1,
    };
  }

  /** What came of one attempt. */
  async delivered(
    at: number,
    instance: string,
    attempt: DeliveryAttempt,
    status: Delivery["status"],
    nextAt: number | null,
  ): Promise<void> {
    const state = this.#read("state");
    if (state?.deliverer !== instance || state.delivery === null) return;
    const delivery: Delivery = { status, attempts: [...state.delivery.attempts, attempt], next_at: nextAt };
    await this.#save(at, { ...state, delivery, deliveryAttempts: state.deliveryAttempts + 1 });
  }

  /** The delivery alone, again; it takes the place of one that is still waiting. @throws Error where the engine can't be reached */
  async redeliver(): Promise<"accepted" | "unfinished" | "nothing to deliver"> {
    const state = this.#read("state");
    if (state === null || state.delivery === null) return "nothing to deliver";
    if (isOpen(state)) return "unfinished";
    if (await this.#startDelivery(state, 0)) return "accepted";
    throw new Error("no instance could be started");
  }

  /** @param reader whose jobs may be seen besides those of hooks: an owner */
  async view(reader: string): Promise<JobView | null> {
    const state = this.#read("state");
    const order = this.#read("order");
    if (state === null || order === null || (order.hook === null && order.caller.owner !== reader)) return null;
    const outcome = this.#read("outcome");
    return {
      job: state.job,
      status: state.status,
      ...(order.hook === null ? {} : { hook: order.hook }),
      created_at: Math.floor(state.createdAt / 1_000),
      ...(state.tries.length === 0 ? {} : { tries: state.tries }),
      ...(state.nextAt === null ? {} : { next_at: Math.ceil(state.nextAt / 1_000) }),
      ...(outcome === null ? {} : outcome.answer === null ? { error: outcome.error } : { answer: outcome.answer }),
      ...(state.delivery === null ? {} : { delivery: state.delivery }),
      metadata: order.metadata,
    };
  }

  /** What the job was asked with, and what came of it. */
  async outcome(): Promise<{ order: JobSpec; outcome: JobOutcome } | null> {
    const order = this.#read("order");
    const outcome = this.#read("outcome");
    return order === null || outcome === null ? null : { order, outcome };
  }

  /** Does what is due by now (core/job-state.ts): engines and isolates die, and somebody must notice. */
  override async alarm(): Promise<void> {
    const at = Date.now();
    const state = this.#read("state");
    const { at: dueAt, due } = state === null ? { at, due: "remove" as const } : nextDue(state);
    if (state === null || (due === "remove" && at >= dueAt)) {
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
      return;
    }
    if (at < dueAt) return await this.ctx.storage.setAlarm(dueAt);
    await this.ctx.storage.setAlarm(at + AGAIN_MS);
    if (due === "lost") return await this.#end(state, at, { answer: null, error: LOST });
    if (due === "redeliver") return void (await this.#startDelivery(state, state.deliveryAttempts));
    const instance = due === "restart" ? instanceOf(state.job) : state.instance;
    this.#write("state", { ...state, instance, deliverer: instance, started: false });
    await this.#start();
    await this.#watch();
  }

  /** The run's instance. What the engine refuses is tried again by the alarm. */
  async #start(): Promise<void> {
    const state = this.#read("state");
    if (
      state === null ||
      !(await this.#create(state.instance, { job: state.job, instance: state.instance, deliverOnly: false }))
    )
      return;
    const now = this.#current(state.instance);
    if (now !== null && !now.started) await this.#save(now.updatedAt, { ...now, started: true });
  }

  /** @param attempts that count for the pauses between further ones */
  async #startDelivery(state: JobState, attempts: number): Promise<boolean> {
    const deliverer = instanceOf(state.job);
    const { delivery } = state;
    if (delivery === null) return false;
    // Before the wait: from now on the instance before is not heard any more.
    await this.#save(Date.now(), {
      ...state,
      deliverer,
      deliveryAttempts: attempts,
      delivery: { ...delivery, status: "pending", next_at: null },
    });
    if (await this.#create(deliverer, { job: state.job, instance: deliverer, deliverOnly: true })) return true;
    const now = this.#read("state");
    if (now?.deliverer === deliverer && now.delivery !== null) {
      await this.#save(now.updatedAt, { ...now, delivery: { ...now.delivery, status: "failed" } });
    }
    return false;
  }

  /** @returns whether there is an instance of that id: it is good for one, however often this is said */
  async #create(id: string, params: JobInstance): Promise<boolean> {
    try {
      await this.env.JOBS.create({ id, params });
      return true;
    } catch (error) {
      return /already.exists/i.test(String(error));
    }
  }

  async #end(state: JobState, at: number, outcome: JobOutcome): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#write("outcome", outcome);
      const status = outcome.answer === null ? "failed" : "completed";
      this.#write("state", { ...state, status, asking: null, nextAt: null, updatedAt: at, endedAt: at });
    });
    await this.#watch();
  }

  async #save(at: number, state: JobState): Promise<void> {
    this.#write("state", { ...state, updatedAt: at });
    await this.#watch();
  }

  /** Sets the alarm for what is due next. */
  async #watch(): Promise<void> {
    const state = this.#read("state");
    if (state !== null) await this.ctx.storage.setAlarm(nextDue(state).at);
  }

  /** The state while this instance may ask. */
  #current(instance: string): JobState | null {
    const state = this.#read("state");
    return state?.instance === instance && isOpen(state) ? state : null;
  }

  // An object that was only looked at has no table: it leaves nothing behind.
  #read<Name extends keyof Documents>(name: Name): Documents[Name] | null {
    if (this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'documents'").toArray().length === 0) return null;
    const pieces = this.#sql
      .exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM documents WHERE name = ? ORDER BY piece", name)
      .toArray();
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

export interface Deliverable {
  order: JobSpec;
  outcome: JobOutcome;
  /** Its `webhook-id`. */
  event: string;
  endedAt: number;
  /** Which attempt of this delivery is next, 1 the first. */
  attempt: number;
}

/** Never one that was: an engine keeps an instance's id for as long as it likes. */
function instanceOf(job: string): string {
  return `${job}-${crypto.randomUUID().slice(0, 8)}`;
}
