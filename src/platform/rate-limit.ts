// Cloudflare's rate limit, bound as RATE_LIMIT. If it fails or is not bound, no request is refused, and that is logged.

/** The part of a rate limit that is used. */
export interface RateLimitBinding {
  limit: (options: { key: string }) => Promise<{ success: boolean }>;
}

/** Returns a function: whether one more request under this key is within the limit. */
export function rateLimiter(
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
