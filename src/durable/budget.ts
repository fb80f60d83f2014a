// One budget's sums, in a Durable Object: what was spent per UTC day, what calls under way hold, requests of this minute. Each method
// is one turn of a single thread, so parallel calls can't pass a limit together. Times are passed in, in milliseconds.
import { DurableObject } from "cloudflare:workers";
import type { BudgetLimits } from "../core/config/config-schema.ts";
import type { Cost, DaySums, ExceededLimit, TokenCap, Tally } from "../core/callers/budget.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** What GET /usage shows, and a day for clocks that differ. */
const KEPT_DAYS = 31;

export class Budget extends DurableObject<Env> {
  readonly #sql: SqlStorage;
  /** The tables are there. An object that was only looked at has none, and leaves nothing behind. */
  #ready: boolean;
  /** Known since this object is in memory: every reservation and settlement would ask. */
  #isAlarmSet = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#ready = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'days'").toArray().length > 0;
  }

  /** Counts a request, unless it is one too many; those are not counted. */
  async admit(at: number, perMinute: number | undefined, token: TokenCap | undefined): Promise<ExceededLimit | null> {
    this.#open();
    // Clocks of isolates differ: a minute that has begun for one has begun for all.
    const minute = Math.max(Math.floor(at / MINUTE_MS), this.#number("SELECT minute AS n FROM minutes"));
    const inMinute = this.#number("SELECT n FROM minutes WHERE minute = ?", minute);
    if (perMinute !== undefined && inMinute >= perMinute) {
      return {
        limit: "requests_per_minute",
        retryAfter: Math.max(1, Math.ceil(((minute + 1) * MINUTE_MS - at) / 1_000)),
      };
    }
    const ofToken = token === undefined ? 0 : this.#number("SELECT n FROM tokens WHERE id = ?", token.id);
    if (token !== undefined && ofToken >= token.requests) {
      return { limit: "requests", retryAfter: Math.max(1, Math.ceil(token.expires - at / 1_000)) };
    }
    if (perMinute !== undefined) {
      this.#sql.exec("INSERT OR REPLACE INTO minutes (one, minute, n) VALUES (1, ?, ?)", minute, inMinute + 1);
    }
    if (token !== undefined) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO tokens (id, n, expires) VALUES (?, ?, ?)",
        token.id,
        ofToken + 1,
        token.expires,
      );
    }
    await this.#clean(at);
    return null;
  }

  /** Books the worst case into the day's sums if it fits. What nobody settles stays booked. */
  async reserve(at: number, id: string, worst: Cost, limits: BudgetLimits): Promise<ExceededLimit | null> {
    this.#open();
    const day = Math.floor(at / DAY_MS);
    const { tokens, nanoUsd } = this.#day(day);
    const retryAfter = Math.max(1, Math.ceil(((day + 1) * DAY_MS - at) / 1_000));
    if (limits.tokens_per_day !== undefined && tokens + worst.tokens > limits.tokens_per_day)
      return { limit: "tokens_per_day", retryAfter };
    if (limits.usd_per_day !== undefined && nanoUsd + worst.nanoUsd > limits.usd_per_day * 1e9)
      return { limit: "usd_per_day", retryAfter };
    this.#sql.exec(
      "INSERT INTO reservations (id, day, tokens, nano_usd) VALUES (?, ?, ?, ?)",
      id,
      day,
      worst.tokens,
      worst.nanoUsd,
    );
    this.#add(day, { requests: 0, hits: 0, ...worst });
    await this.#clean(at);
    return null;
  }

  /** In place of the reservation, on its own day: what the call cost. Settled once; again, or of an unknown id, changes nothing. */
  async settle(id: string, cost: Cost): Promise<void> {
    if (!this.#ready) return;
    const [held] = this.#sql
      .exec<{ day: number; tokens: number; nano_usd: number }>(
        "DELETE FROM reservations WHERE id = ? RETURNING day, tokens, nano_usd",
        id,
      )
      .toArray();
    if (held === undefined) return;
    this.#add(held.day, {
      requests: 0,
      hits: 0,
      tokens: cost.tokens - held.tokens,
      nanoUsd: cost.nanoUsd - held.nano_usd,
    });
  }

  /** Sums of what needed no reservation. */
  async count(at: number, tally: Tally): Promise<void> {
    this.#open();
    this.#add(Math.floor(at / DAY_MS), tally);
    await this.#clean(at);
  }

  /** The last 30 days that have any, newest first, requests in this minute, and those of a token. */
  async usage(at: number, tokenId?: string): Promise<{ days: DaySums[]; inMinute: number; ofToken: number }> {
    if (!this.#ready) return { days: [], inMinute: 0, ofToken: 0 };
    const today = Math.floor(at / DAY_MS);
    const days = this.#sql
      .exec<{ day: number; requests: number; hits: number; tokens: number; nano_usd: number; reserved: number }>(
        `SELECT days.*, (SELECT COALESCE(SUM(tokens), 0) FROM reservations WHERE reservations.day = days.day) AS reserved
         FROM days WHERE day > ? ORDER BY day DESC`,
        today - 30,
      )
      .toArray();
    return {
      days: days.map(({ nano_usd, ...sums }) => ({ ...sums, nanoUsd: nano_usd })),
      inMinute: this.#number("SELECT n FROM minutes WHERE minute >= ?", Math.floor(at / MINUTE_MS)),
      ofToken: tokenId === undefined ? 0 : this.#number("SELECT n FROM tokens WHERE id = ?", tokenId),
    };
  }

  /** Old days go; an object that nobody has used for a month goes whole. */
  override async alarm(): Promise<void> {
    const at = Date.now();
    this.#isAlarmSet = false;
    const oldest = Math.floor(at / DAY_MS) - KEPT_DAYS;
    if (this.#ready) {
      this.#sql.exec("DELETE FROM days WHERE day <= ?", oldest);
      this.#sql.exec("DELETE FROM reservations WHERE day <= ?", oldest);
      this.#sql.exec("DELETE FROM tokens WHERE expires < ?", at / 1_000);
      this.#sql.exec("DELETE FROM minutes WHERE minute <= ?", (oldest * DAY_MS) / MINUTE_MS);
      const left =
        "SELECT (SELECT COUNT(*) FROM days) + (SELECT COUNT(*) FROM tokens) + (SELECT COUNT(*) FROM minutes) AS n";
      if (this.#number(left) > 0) return await this.#clean(at);
    }
    this.#ready = false;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Sees to it that an alarm is set for when the oldest day may go. */
  async #clean(at: number): Promise<void> {
    if (this.#isAlarmSet) return;
    if ((await this.ctx.storage.getAlarm()) === null) {
      const oldest = this.#number("SELECT COALESCE(MIN(day), ?) AS n FROM days", Math.floor(at / DAY_MS));
      await this.ctx.storage.setAlarm(Math.max(at + MINUTE_MS, (oldest + KEPT_DAYS + 1) * DAY_MS));
    }
    this.#isAlarmSet = true;
  }

  #day(day: number): Cost {
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

  #number(query: string, ...bindings: SqlStorageValue[]): number {
    const [row] = this.#sql.exec<{ n: number }>(query, ...bindings).toArray();
    return row?.n ?? 0;
  }

  #open(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS days (day INTEGER PRIMARY KEY, requests INTEGER NOT NULL, hits INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS reservations (id TEXT PRIMARY KEY, day INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS minutes (one INTEGER PRIMARY KEY, minute INTEGER NOT NULL, n INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, n INTEGER NOT NULL, expires INTEGER NOT NULL);
    `);
  }
}
