// A time limit for one promise.

/** The error with which `within` rejects. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * Waits for the promise's result for at most `ms` milliseconds. After a timeout the work itself continues, but its result is ignored.
 * @throws TimeoutError, or the error of the promise
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`no result within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}
