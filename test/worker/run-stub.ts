// A run's object as tests inspect it: found by a request's key, through the Worker's own binding.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Run } from "../../src/durable/run.ts";
import { type HeaderTable, idKeys, ownerNamed, type WorkerUnderTest } from "./worker.ts";
import { deriveDigest } from "../../src/core/callers/owner.ts";

export const freshKey = (): HeaderTable => ({ "idempotency-key": crypto.randomUUID() });

/** The object of a key, of the anonymous caller unless another owner is named. */
export async function runOf(headers: HeaderTable, owner = "anonymous:local"): Promise<DurableObjectStub<Run>> {
  const name = `${await ownerNamed(owner)}\0${headers["idempotency-key"] ?? ""}`;
  return env.RUNS.getByName(await deriveDigest(await idKeys(), "run", name));
}

interface StoredRecording {
  /** The size of each row of the recording, in bytes. */
  sizes: number[];
  /** Everything that the object stores, as text. */
  text: string;
  alarm: number | null;
}

export async function storedRecordingOf(run: DurableObjectStub<Run>): Promise<StoredRecording> {
  return await runInDurableObject(run, async (_, { storage }) => {
    const tables = storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('run', 'rows')").toArray();
    const alarm = await storage.getAlarm();
    if (tables.length === 0) return { sizes: [], text: "", alarm };
    const rows = storage.sql.exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM rows ORDER BY at").toArray();
    const decoder = new TextDecoder();
    const text = rows.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join("");
    return {
      sizes: rows.map(({ bytes }) => bytes.byteLength),
      text: JSON.stringify(storage.sql.exec("SELECT * FROM run").toArray()) + text,
      alarm,
    };
  });
}

export const respondOnce = (worker: WorkerUnderTest, body: unknown, headers: HeaderTable): Promise<Response> =>
  worker.send("/v1/responses", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
