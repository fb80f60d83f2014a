// What a view shows of GET: loaded when it opens, and again on demand or, while there is something to wait for, by itself.
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Account } from "./account.ts";
import { call, type Failure, failureOf } from "./call.ts";

const AFTER_FAILURE_MS = 5_000;

export interface Loaded<T> {
  value: T | null;
  failure: Failure | null;
  load: () => Promise<void>;
}

/** @param againMs how long after it came a value is read again; undefined: not by itself */
export function useLoaded<T>(
  account: Account,
  path: string,
  againMs: (value: T) => number | undefined = () => undefined,
): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const load = useCallback(async (): Promise<void> => {
    try {
      setValue((await call(account, path)) as T);
      setFailure(null);
    } catch (error) {
      setFailure(failureOf(error));
    }
  }, [account, path]);
  useEffect(() => void load(), [load]);
  useEffect(() => {
    // One that failed is tried again as well, while there is something to wait for.
    const wanted = value === null ? undefined : againMs(value);
    const ms = wanted === undefined || failure === null ? wanted : Math.max(wanted, AFTER_FAILURE_MS);
    if (ms === undefined) return undefined;
    const timer = setTimeout(() => void load(), ms);
    return () => clearTimeout(timer);
  }, [value, failure, load]);
  return { value, failure, load };
}
