// The callers of the bench: a burst of requests over kept connections, each answer read whole and checked, and what they waited.
import { Agent, request as httpRequest } from "node:http";

export interface Asked {
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface Burst {
  wallMs: number;
  /** Milliseconds, sorted. */
  total: number[];
  /** Until the answer's first byte, sorted. */
  first: number[];
}

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** @param make the nth request. @param enough the end of every answer: what lacks it has failed */
export async function burst(
  url: URL,
  make: (n: number) => Asked,
  { requests, concurrency, ends }: { requests: number; concurrency: number; ends?: string | undefined },
): Promise<Burst> {
  const total: number[] = [];
  const first: number[] = [];
  let next = 0;
  async function caller(): Promise<void> {
    while (next < requests) {
      const n = next;
      next += 1;
      const one = await exchange(url, make(n), ends);
      total.push(one.total);
      first.push(one.first);
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
  { path, headers, body }: Asked,
  ends?: string,
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
          if (response.statusCode === 200 && (ends === undefined || text.includes(ends, text.length - 100)))
            resolve({ first, total, text });
          else reject(new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 500)} … ${text.slice(-200)}`));
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
