// The config of the Worker that the bench measures: a default model, a preset, and sessions with budgets.
import { defineConfig } from "../../src/core/config/define-config.ts";

export default defineConfig({
  defaults: { model: "json" },
  presets: { site: { model: "json" } },
  callers: {
    sessions: {
      presets: ["site"],
      per_user: { tokens_per_day: 1_000_000_000 },
      total: { tokens_per_day: 1_000_000_000 },
    },
  },
});
