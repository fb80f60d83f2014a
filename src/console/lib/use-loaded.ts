// Loads a GET resource for a view: on mount, on demand, and repeatedly while the view waits for a change.
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Account } from "./account.ts";
import { call, type Failure, failureOf } from "./call.ts";

const MIN_DELAY_AFTER_FAILURE_MS = 5_000;

export interface Loaded<T> {
  value: T | null;
  failure: Failure | null;
  load: () => Promise<void>;
}

/** @param reloadDelay returns the milliseconds until a loaded value is read again, or undefined for no automatic reload */
export function useLoaded<T>(
  account: Account,
  path: string,
  reloadDelay: (value: T) => number | undefined = () => undefined,
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
    // Keep polling after a failed reload, but more slowly.
    const delay = value === null ? undefined : reloadDelay(value);
    const delayMs = delay === undefined || failure === null ? delay : Math.max(delay, MIN_DELAY_AFTER_FAILURE_MS);
    if (delayMs === undefined) return undefined;
    const timer = setTimeout(() => void load(), delayMs);
    return () => clearTimeout(timer);
  }, [value, failure, load]);
  return { value, failure, load };
}
