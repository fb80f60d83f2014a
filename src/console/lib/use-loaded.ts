// Loads a GET resource for a view: on mount, on demand, and on a timer while the view waits for a change.
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Account } from "./account.ts";
import { call, type Failure, failureOf } from "./call.ts";

const MIN_DELAY_AFTER_FAILURE_MS = 5_000;

export interface Loaded<T> {
  value: T | null;
  failure: Failure | null;
  load: () => Promise<void>;
}

/** @param reloadAfterMs milliseconds until a loaded value is read again; undefined: no automatic reload */
export function useLoaded<T>(
  account: Account,
  path: string,
  reloadAfterMs: (value: T) => number | undefined = () => undefined,
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
    // After a failed reload the timer continues, but more slowly.
    const delay = value === null ? undefined : reloadAfterMs(value);
    const ms = delay === undefined || failure === null ? delay : Math.max(delay, MIN_DELAY_AFTER_FAILURE_MS);
    if (ms === undefined) return undefined;
    const timer = setTimeout(() => void load(), ms);
    return () => clearTimeout(timer);
  }, [value, failure, load]);
  return { value, failure, load };
}
