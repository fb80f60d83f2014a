// Cache-Status (RFC 9211) and Age of an answer that was kept from an earlier call. Both speak of the moment in which they are sent.

export interface CacheEntryAge {
  /** Unix seconds: when it was answered. */
  at: number;
  /** Seconds from then on for which it is fresh to whoever asks. */
  lifetime: number;
}

/** `ttl` is below 0 once it is stale: a flight repeats it for a day. */
export function hitHeaders({ at, lifetime }: CacheEntryAge, nowSeconds: number): Record<string, string> {
  // A clock that ran ahead is age 0, as in answer-record.ts.
  const age = Math.max(0, nowSeconds - at);
  return { "cache-status": `uniapi-edge; hit; ttl=${lifetime - age}`, age: String(age) };
}
