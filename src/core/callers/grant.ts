// What a restricted caller may use. Server callers have no grant.

export interface Grant {
  /** Names of presets in the config, at least one. */
  presets: readonly string[];
  /** The limit on `max_output_tokens` that a session token sets itself. */
  maxOutputTokens?: number;
}
