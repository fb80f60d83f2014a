// The chain support of models, as this isolate has observed it. An observation saves a KV read. For a model that does not continue by id,
// it also saves a futile call.

/** How long an observation is valid. */
const TTL_MS = 86_400_000;
/** The most models in the table, which needs a limit because callers choose the names. A full table is emptied. */
const MAX_MODELS = 1_000;

export interface ChainSupport {
  /** Whether the model continues by id; undefined if this isolate has not observed it within the last day. */
  get: (model: string) => boolean | undefined;
  /** @param isSupported undefined makes the model's chain support unknown again */
  set: (model: string, isSupported: boolean | undefined) => void;
}

/** @param now milliseconds since 1970 */
export function createChainSupport(now: () => number): ChainSupport {
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
