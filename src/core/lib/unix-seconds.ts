// Reads a time that a relay wrote: in seconds, as the Responses API has it, or in milliseconds, microseconds or nanoseconds.

/** The year 5138, in seconds. A larger number has a smaller unit. */
const MAX_SECONDS = 1e11;

/**
 * Converts a time to whole Unix seconds.
 * @param value a number, a BigInt, or a string with a number
 * @returns `fallback` if the value is not a time
 */
export function unixSeconds<Fallback>(value: unknown, fallback: Fallback): number | Fallback {
  let seconds = typeof value === "bigint" || (typeof value === "string" && value !== "") ? Number(value) : value;
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds < 1) return fallback;
  while (seconds >= MAX_SECONDS) seconds /= 1_000;
  return Math.floor(seconds);
}
