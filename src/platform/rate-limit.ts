// Cloudflare's rate limit, bound as RATE_LIMIT. If the binding fails or is missing, every request is allowed, and the log says so.

/** The part of the binding that is used. */
export interface RateLimitBinding {
  limit: (options: { key: string }) => Promise<{ success: boolean }>;
}

/** Returns a function that counts one request under a key, and resolves to whether the request is within the limit. */
export function createRateLimiter(
  binding: RateLimitBinding | undefined,
  warn: (event: string, error?: unknown) => void,
): (key: string) => Promise<boolean> {
  if (binding === undefined) {
    warn("rate_limit_missing: RATE_LIMIT is not bound, so no request is limited. Add [[ratelimits]] to wrangler.toml");
    return () => Promise.resolve(true);
  }
  return async (key) => {
    try {
      return (await binding.limit({ key })).success;
    } catch (error) {
      warn("rate_limit_failed", error);
      return true;
    }
  };
}
