// The sums of one budget, in a Durable Object: spending per UTC day, holds, requests in the current minute, and requests per session token.
// No method awaits anything between checking a limit and adding to its sum, so parallel calls can't exceed a limit together. Callers pass
// the time, in milliseconds since 1970; only the alarm reads the clock.
import { DurableObject } from "cloudflare:workers";
import type { BudgetLimits } from "../core/config/config-schema.ts";
import type { BudgetMethods, BudgetUsage, Cost, ExceededLimit, TokenCap, Tally } from "../core/callers/budget.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** The 30 days that GET /usage shows, and one more, because the clocks of isolates differ. */
const RETENTION_DAYS = 31;

export class Budget extends DurableObject<Env> implements BudgetMethods {
  readonly #sql: SqlStorage;
  /** Whether the tables exist. `usage` does not create them, so an object without requests stores nothing. */
  #hasTables: boolean;
  /** Whether this instance knows that the alarm is set. Knowing it saves a storage read on every write. */
  #isAlarmSet = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#hasTables = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'days'").toArray().length > 0;
  }

  async admit(at: number, perMinute: number | undefined, token: TokenCap | undefined): Promise<ExceededLimit | null> {
    this.#createTables();
    // The clocks of isolates differ. Once any isolate has begun a minute, the earlier minute is over for all.
    const minute = Math.max(Math.floor(at / MINUTE_MS), this.#queryNumber("SELECT minute AS n FROM minutes"));
    const minuteRequests = this.#queryNumber("SELECT n FROM minutes WHERE minute = ?", minute);
    if (perMinute !== undefined && minuteRequests >= perMinute) {
      return {
        limit: "requests_per_minute",
        retryAfter: Math.max(1, Math.ceil(((minute + 1) * MINUTE_MS - at) / 1_000)),
      };
    }
    const tokenRequests = token === undefined ? 0 : this.#queryNumber("SELECT n FROM tokens WHERE id = ?", token.id);
    if (token !== undefined && tokenRequests >= token.requests) {
      return { limit: "requests", retryAfter: Math.max(1, Math.ceil(token.expires - at / 1_000)) };
    }
    if (perMinute !== undefined) {
      this.#sql.exec("INSERT OR REPLACE INTO minutes (one, minute, n) VALUES (1, ?, ?)", minute, minuteRequests + 1);
    }
    if (token !== undefined) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO tokens (id, n, expires) VALUES (?, ?, ?)",
        token.id,
        tokenRequests + 1,
        token.expires,
      );
    }
    await this.#ensureAlarm(at);
    return null;
  }

  async hold(at: number, id: string, worst: Cost, limits: BudgetLimits): Promise<ExceededLimit | null> {
    this.#createTables();
    const day = Math.floor(at / DAY_MS);
    const { tokens, nanoUsd } = this.#readDay(day);
    const retryAfter = Math.max(1, Math.ceil(((day + 1) * DAY_MS - at) / 1_000));
    if (limits.tokens_per_day !== undefined && tokens + worst.tokens > limits.tokens_per_day)
      return { limit: "tokens_per_day", retryAfter };
    if (limits.usd_per_day !== undefined && nanoUsd + worst.nanoUsd > limits.usd_per_day * 1e9)
      return { limit: "usd_per_day", retryAfter };
    this.#sql.exec(
      "INSERT INTO holds (id, day, tokens, nano_usd) VALUES (?, ?, ?, ?)",
      id,
      day,
      worst.tokens,
      worst.nanoUsd,
    );
    this.#add(day, { requests: 0, hits: 0, ...worst });
    await this.#ensureAlarm(at);
    return null;
  }

  async settle(id: string, cost: Cost): Promise<void> {
    if (!this.#hasTables) return;
    const [hold] = this.#sql
      .exec<{ day: number; tokens: number; nano_usd: number }>(
        "DELETE FROM holds WHERE id = ? RETURNING day, tokens, nano_usd",
        id,
      )
      .toArray();
    if (hold === undefined) return;
    this.#add(hold.day, {
      requests: 0,
      hits: 0,
      tokens: cost.tokens - hold.tokens,
      nanoUsd: cost.nanoUsd - hold.nano_usd,
    });
  }

  async count(at: number, tally: Tally): Promise<void> {
    this.#createTables();
    this.#add(Math.floor(at / DAY_MS), tally);
    await this.#ensureAlarm(at);
  }

  async usage(at: number, tokenId?: string): Promise<BudgetUsage> {
    if (!this.#hasTables) return { days: [], minuteRequests: 0, tokenRequests: 0 };
    const today = Math.floor(at / DAY_MS);
    const days = this.#sql
      .exec<{ day: number; requests: number; hits: number; tokens: number; nano_usd: number; held: number }>(
        `SELECT days.*, (SELECT COALESCE(SUM(tokens), 0) FROM holds WHERE holds.day = days.day) AS held
         FROM days WHERE day > ? ORDER BY day DESC`,
        today - 30,
      )
      .toArray();
    return {
      days: days.map(({ nano_usd, ...sums }) => ({ ...sums, nanoUsd: nano_usd })),
      minuteRequests: this.#queryNumber("SELECT n FROM minutes WHERE minute >= ?", Math.floor(at / MINUTE_MS)),
      tokenRequests: tokenId === undefined ? 0 : this.#queryNumber("SELECT n FROM tokens WHERE id = ?", tokenId),
    };
  }

  /** Deletes sums and holds older than RETENTION_DAYS, and expired tokens. Deletes all storage if no sum remains. */
  override async alarm(): Promise<void> {
    const at = Date.now();
    this.#isAlarmSet = false;
    const oldest = Math.floor(at / DAY_MS) - RETENTION_DAYS;
    if (this.#hasTables) {
      this.#sql.exec("DELETE FROM days WHERE day <= ?", oldest);
      this.#sql.exec("DELETE FROM holds WHERE day <= ?", oldest);
      this.#sql.exec("DELETE FROM tokens WHERE expires < ?", at / 1_000);
      this.#sql.exec("DELETE FROM minutes WHERE minute <= ?", (oldest * DAY_MS) / MINUTE_MS);
      const remaining =
        "SELECT (SELECT COUNT(*) FROM days) + (SELECT COUNT(*) FROM tokens) + (SELECT COUNT(*) FROM minutes) AS n";
      if (this.#queryNumber(remaining) > 0) return await this.#ensureAlarm(at);
    }
    this.#hasTables = false;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Sets the alarm, if there is none, for the time when the oldest day can be deleted. */
  async #ensureAlarm(at: number): Promise<void> {
    if (this.#isAlarmSet) return;
    if ((await this.ctx.storage.getAlarm()) === null) {
      const oldest = this.#queryNumber("SELECT COALESCE(MIN(day), ?) AS n FROM days", Math.floor(at / DAY_MS));
      await this.ctx.storage.setAlarm(Math.max(at + MINUTE_MS, (oldest + RETENTION_DAYS + 1) * DAY_MS));
    }
    this.#isAlarmSet = true;
  }

  #readDay(day: number): Cost {
    const [row] = this.#sql
      .exec<{ tokens: number; nano_usd: number }>("SELECT tokens, nano_usd FROM days WHERE day = ?", day)
      .toArray();
    return { tokens: row?.tokens ?? 0, nanoUsd: row?.nano_usd ?? 0 };
  }

  #add(day: number, { requests, hits, tokens, nanoUsd }: Tally): void {
    this.#sql.exec(
      `INSERT INTO days (day, requests, hits, tokens, nano_usd) VALUES (?1, ?2, ?3, ?4, ?5)
       ON CONFLICT (day) DO UPDATE SET requests = requests + ?2, hits = hits + ?3, tokens = tokens + ?4, nano_usd = nano_usd + ?5`,
      day,
      requests,
      hits,
      tokens,
      nanoUsd,
    );
  }

  #queryNumber(query: string, ...bindings: SqlStorageValue[]): number {
    const [row] = this.#sql.exec<{ n: number }>(query, ...bindings).toArray();
    return row?.n ?? 0;
  }

  #createTables(): void {
    if (this.#hasTables) return;
    this.#hasTables = true;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS days (day INTEGER PRIMARY KEY, requests INTEGER NOT NULL, hits INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS holds (id TEXT PRIMARY KEY, day INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS minutes (one INTEGER PRIMARY KEY, minute INTEGER NOT NULL, n INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, n INTEGER NOT NULL, expires INTEGER NOT NULL);
    `);
  }
}
