// Chain support of models as this isolate has observed it. It saves a read of KV, and a call that would have to be replayed.

/** How long an observation counts. */
const TTL_MS = 86_400_000;
/** Callers choose the names of models, so the table needs a limit. A full table is emptied. */
const MAX_MODELS = 1_000;

export interface ChainSupport {
  /** Undefined if it is unknown. */
  get: (model: string) => boolean | undefined;
  /** @param isSupported undefined: it is unknown again */
  set: (model: string, isSupported: boolean | undefined) => void;
}

/** @param now milliseconds since 1970 */
export function chainSupportTable(now: () => number): ChainSupport {
  const observations = new Map<string, { isSupported: boolean | undefined; at: number }>();
  return {
    get(model) {
      const observation = observations.get(model);
      return observation !== undefined && now() - observation.at < TTL_MS ? observation.isSupported : undefined;
    },
    set(model, isSupported) {
      if (observations.size >= MAX_MODELS) observations.clear();
      observations.set(model, { isSupported, at: now() });
    },
  };
}
