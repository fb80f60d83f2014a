// The callers of the bench: bursts of requests over keep-alive connections. They read and check every answer and measure its latency.
import { Agent, request as httpRequest } from "node:http";

export interface BenchRequest {
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface Burst {
  wallMs: number;
  /** Milliseconds until the answer's end, sorted. */
  total: number[];
  /** Milliseconds until the answer's first byte, sorted. */
  first: number[];
}

/** A complete stream contains `done` (/ask) or `response.completed` (/v1/responses). */
const ENDED = /^event: (?:done|response\.completed)$/m;
/** A failed stream contains this event. */
const FAILED = /^event: error$/m;

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** @param make returns the nth request @throws for a failed or incomplete answer, even with status 200 */
export async function burst(
  url: URL,
  make: (n: number) => BenchRequest,
  { requests, concurrency }: { requests: number; concurrency: number },
): Promise<Burst> {
  const total: number[] = [];
  const first: number[] = [];
  let next = 0;
  async function caller(): Promise<void> {
    while (next < requests) {
      const n = next;
      next += 1;
      const timing = await exchange(url, make(n));
      total.push(timing.total);
      first.push(timing.first);
    }
  }
  const started = performance.now();
  await Promise.all(Array.from({ length: Math.min(concurrency, requests) }, caller));
  const wallMs = performance.now() - started;
  const ascending = (a: number, b: number): number => a - b;
  return { wallMs, total: total.toSorted(ascending), first: first.toSorted(ascending) };
}

export async function exchange(
  url: URL,
  { path, headers, body }: BenchRequest,
): Promise<{ first: number; total: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const started = performance.now();
    let first = 0;
    const request = httpRequest(
      {
        agent,
        host: url.hostname,
        port: url.port,
        path,
        method: "POST",
        headers: { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)), ...headers },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => {
          if (pieces.length === 0) first = performance.now() - started;
          pieces.push(piece);
        });
        response.on("error", reject);
        response.on("end", () => {
          const total = performance.now() - started;
          const text = Buffer.concat(pieces).toString();
          const isComplete =
            response.headers["content-type"]?.startsWith("text/event-stream") === true ? ENDED.test(text) : true;
          if (response.statusCode === 200 && isComplete && !FAILED.test(text)) resolve({ first, total, text });
          else
            reject(new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 500)} … ${text.slice(-200)}`));
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
