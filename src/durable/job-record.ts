// The record of one job, in a Durable Object. It decides whether an event is new or a duplicate, stores spec, state and outcome, and makes
// sure that an instance of the Workflow runs until the job is answered and delivered. Another method may run during an `await`, so the
// state is read again after each. Callers pass the time, in milliseconds; only the alarm and a new delivery read the clock.
import { DurableObject } from "cloudflare:workers";
import type { DeliveryAttempt, FailedAttempt, JobDelivery, JobStatus, JobView } from "../contract/job.ts";
import {
  type JobWorkflowParams,
  type JobOutcome,
  type JobSpec,
  LOST_CALL_ERROR,
  NO_CALL_ERROR,
  scheduledDelayMs,
} from "../core/jobs/job.ts";
import type { Deliverable, JobRecordMethods } from "../core/jobs/job-record.ts";
import { eventId, isOpen, type JobState, nextDue } from "../core/jobs/job-state.ts";
import { Documents } from "./documents.ts";

/** How long the alarm waits before it retries a job's start that the engine refused. */
const ALARM_RETRY_MS = 60_000;

interface JobDocuments {
  spec: JobSpec;
  state: JobState;
  outcome: JobOutcome;
}

/** The methods are documented in JobRecordMethods. */
export class JobRecord extends DurableObject<Env> implements JobRecordMethods {
  readonly #documents: Documents<JobDocuments>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#documents = new Documents(ctx.storage.sql);
  }

  async accept(
    at: number,
    job: string,
    spec: JobSpec,
    acceptId: string,
  ): Promise<{ accepted: boolean; status: JobStatus; instance: string }> {
    const before = this.#documents.read("state");
    if (before !== null && (before.status !== "failed" || before.acceptId === acceptId)) {
      return { accepted: before.acceptId === acceptId, status: before.status, instance: before.instance };
    }
    const instance = newInstanceId(job);
    this.ctx.storage.transactionSync(() => {
      this.#documents.write("spec", spec);
      this.#documents.remove("outcome");
      this.#documents.write("state", {
        job,
        status: "queued",
        generation: (before?.generation ?? 0) + 1,
        acceptId,
        sync: spec.sync,
        instance,
        started: spec.sync,
        activeExecution: null,
        failedAttempts: [],
        nextAt: null,
        deliveryInstance: instance,
        deliveryAttempts: 0,
        delivery: spec.callback === null ? null : { status: "pending", attempts: [], next_at: null },
        createdAt: before?.createdAt ?? at,
        updatedAt: at,
        endedAt: null,
      });
    });
    await this.#setAlarm();
    if (!spec.sync) this.ctx.waitUntil(this.#startInstance());
    return { accepted: true, status: "queued", instance };
  }

  async begin(at: number, instance: string, execution: string): Promise<{ spec: JobSpec; attempt: number } | null> {
    const state = this.#openState(instance);
    const spec = this.#documents.read("spec");
    if (state === null || spec === null) return null;
    if (state.activeExecution !== null && state.activeExecution !== execution) {
      await this.#end(state, at, { answer: null, error: LOST_CALL_ERROR });
      return null;
    }
    await this.#save(at, { ...state, status: "running", started: true, activeExecution: execution, nextAt: null });
    return { spec, attempt: state.failedAttempts.length + 1 };
  }

  async postpone(at: number, instance: string, failed: FailedAttempt, nextAt: number): Promise<void> {
    const state = this.#openState(instance);
    if (state === null || state.activeExecution === null) return;
    const failedAttempts = [...state.failedAttempts, failed];
    await this.#save(at, { ...state, activeExecution: null, failedAttempts, nextAt });
  }

  async finish(at: number, instance: string, outcome: JobOutcome): Promise<void> {
    const state = this.#openState(instance);
    if (state !== null) await this.#end(state, at, outcome);
  }

  async giveUp(at: number, instance: string): Promise<number | null> {
    const state = this.#openState(instance);
    if (state === null) return null;
    const wasCalling = state.activeExecution !== null;
    const delayMs = wasCalling ? null : scheduledDelayMs(state.failedAttempts.length + 1);
    if (delayMs === null) {
      await this.#end(state, at, { answer: null, error: wasCalling ? LOST_CALL_ERROR : NO_CALL_ERROR });
      return null;
    }
    const failedAttempts = [...state.failedAttempts, { at: Math.floor(at / 1_000), code: NO_CALL_ERROR.code }];
    await this.#save(at, { ...state, failedAttempts, nextAt: at + delayMs });
    return delayMs;
  }

  async readDeliverable(instance: string): Promise<Deliverable | null> {
    const state = this.#documents.read("state");
    const spec = this.#documents.read("spec");
    const outcome = this.#documents.read("outcome");
    if (state?.deliveryInstance !== instance || state.delivery?.status !== "pending") return null;
    if (spec === null || outcome === null) return null;
    return {
      spec,
      outcome,
      eventId: eventId(state),
      endedAt: state.endedAt ?? state.updatedAt,
      attempt: state.deliveryAttempts + 1,
    };
  }

  async recordDelivery(
    at: number,
    instance: string,
    attempt: DeliveryAttempt,
    status: JobDelivery["status"],
    nextAt: number | null,
  ): Promise<void> {
    const state = this.#documents.read("state");
    if (state?.deliveryInstance !== instance || state.delivery === null) return;
    const delivery: JobDelivery = { status, attempts: [...state.delivery.attempts, attempt], next_at: nextAt };
    await this.#save(at, { ...state, delivery, deliveryAttempts: state.deliveryAttempts + 1 });
  }

  async redeliver(): Promise<"accepted" | "unfinished" | "nothing to deliver"> {
    const state = this.#documents.read("state");
    if (state === null || state.delivery === null) return "nothing to deliver";
    if (isOpen(state)) return "unfinished";
    if (await this.#startDelivery(state, 0, "failed")) return "accepted";
    throw new Error("no instance could be started");
  }

  async view(owner: string): Promise<JobView | null> {
    const state = this.#documents.read("state");
    const spec = this.#documents.read("spec");
    if (state === null || spec === null || (spec.hook === null && spec.caller.owner !== owner)) return null;
    const outcome = this.#documents.read("outcome");
    return {
      job: state.job,
      status: state.status,
      ...(spec.hook === null ? {} : { hook: spec.hook }),
      created_at: Math.floor(state.createdAt / 1_000),
      ...(state.failedAttempts.length === 0 ? {} : { tries: state.failedAttempts }),
      ...(state.nextAt === null ? {} : { next_at: Math.ceil(state.nextAt / 1_000) }),
      ...(outcome === null ? {} : outcome.answer === null ? { error: outcome.error } : { answer: outcome.answer }),
      ...(state.delivery === null ? {} : { delivery: state.delivery }),
      metadata: spec.metadata,
    };
  }

  async readOutcome(): Promise<{ spec: JobSpec; outcome: JobOutcome } | null> {
    const spec = this.#documents.read("spec");
    const outcome = this.#documents.read("outcome");
    return spec === null || outcome === null ? null : { spec, outcome };
  }

  /**
   * Does what is due (src/core/jobs/job-state.ts): restarts a job or a delivery whose engine or isolate has died, ends a job whose call was
   * lost, or deletes an old record.
   */
  override async alarm(): Promise<void> {
    const at = Date.now();
    const state = this.#documents.read("state");
    const { at: dueAt, due } = state === null ? { at, due: "remove" as const } : nextDue(state);
    if (state === null || (due === "remove" && at >= dueAt)) {
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
      return;
    }
    if (at < dueAt) return await this.ctx.storage.setAlarm(dueAt);
    await this.ctx.storage.setAlarm(at + ALARM_RETRY_MS);
    if (due === "lost") return await this.#end(state, at, { answer: null, error: LOST_CALL_ERROR });
    if (due === "redeliver") return void (await this.#startDelivery(state, state.deliveryAttempts, "pending"));
    const instance = due === "restart" ? newInstanceId(state.job) : state.instance;
    // The next action is due some time after `updatedAt`. Without a new time, the alarm would replace the new instance at once.
    this.#documents.write("state", { ...state, instance, deliveryInstance: instance, started: false, updatedAt: at });
    await this.#startInstance();
  }

  /** Starts the instance that answers the job. If the engine refuses, the alarm remains set and tries again. */
  async #startInstance(): Promise<void> {
    const state = this.#documents.read("state");
    if (state === null) return;
    const { job, instance } = state;
    if (!(await this.#createInstance({ job, instance, deliverOnly: false }))) return;
    const current = this.#openState(instance);
    if (current !== null && !current.started) await this.#save(current.updatedAt, { ...current, started: true });
  }

  /**
   * Starts an instance that delivers the outcome.
   * @param attempts the number of earlier attempts, which selects the delay after the next attempt
   * @param statusIfRefused the delivery's status if the engine refuses the instance. If it is `pending`, the alarm tries again
   * @returns false if the job has no callback, or if the engine refuses the instance
   */
  async #startDelivery(state: JobState, attempts: number, statusIfRefused: "pending" | "failed"): Promise<boolean> {
    const { job, delivery } = state;
    if (delivery === null) return false;
    const deliveryInstance = newInstanceId(job);
    // The state is saved before the new instance is created. From here on, reports of the previous instance are ignored.
    await this.#save(Date.now(), {
      ...state,
      deliveryInstance,
      deliveryAttempts: attempts,
      delivery: { ...delivery, status: "pending", next_at: null },
    });
    if (await this.#createInstance({ job, instance: deliveryInstance, deliverOnly: true })) return true;
    const current = this.#documents.read("state");
    if (current?.deliveryInstance === deliveryInstance && current.delivery !== null) {
      await this.#save(current.updatedAt, { ...current, delivery: { ...current.delivery, status: statusIfRefused } });
    }
    return false;
  }

  /** Creates the instance, unless an earlier call has created it. @returns whether the instance exists */
  async #createInstance(params: JobWorkflowParams): Promise<boolean> {
    try {
      await this.env.JOBS.create({ id: params.instance, params });
      return true;
    } catch (error) {
      return /already.exists/i.test(String(error));
    }
  }

  async #end(state: JobState, at: number, outcome: JobOutcome): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#documents.write("outcome", outcome);
      const status = outcome.answer === null ? "failed" : "completed";
      this.#documents.write("state", {
        ...state,
        status,
        activeExecution: null,
        nextAt: null,
        updatedAt: at,
        endedAt: at,
      });
    });
    await this.#setAlarm();
  }

  async #save(at: number, state: JobState): Promise<void> {
    this.#documents.write("state", { ...state, updatedAt: at });
    await this.#setAlarm();
  }

  async #setAlarm(): Promise<void> {
    const state = this.#documents.read("state");
    if (state !== null) await this.ctx.storage.setAlarm(nextDue(state).at);
  }

  /** Returns the state if the job is open and `instance` is its current instance, or else null. */
  #openState(instance: string): JobState | null {
    const state = this.#documents.read("state");
    return state?.instance === instance && isOpen(state) ? state : null;
  }
}

/** Returns an id that no instance has had, because the engine may refuse the id of a former instance for days. */
function newInstanceId(job: string): string {
  return `${job}-${crypto.randomUUID().slice(0, 8)}`;
}
