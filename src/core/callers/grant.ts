// What a locked caller may use. Callers with full trust have none.

export interface Grant {
  /** Names of presets, at least one. All are in the config. */
  presets: readonly string[];
  /** A session token's own cap on `max_output_tokens`. */
  maxOutputTokens?: number;
}
