// What a locked caller may use. Callers with full trust have none.

export interface Grant {
  /** Names of presets, at least one. All are in the config. */
  presets: readonly string[];
  /** A session token's own cap on `max_output_tokens`. */
  maxOutputTokens?: number;
}

/** Who the caller is, is not a locked caller's to say, and no preset opens it. */
export const IDENTITY_FIELDS: ReadonlySet<string> = new Set(["user", "safety_identifier", "prompt_cache_key"]);
