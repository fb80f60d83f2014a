// A time limit for one promise.

/** Rejection of `within`. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * The promise's own result, or a rejection once `ms` milliseconds have passed. The work itself goes on: its result is ignored.
 * @throws TimeoutError
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
