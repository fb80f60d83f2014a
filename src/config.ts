// The one file to edit: models, presets, callers, limits. docs/configuration.md describes every setting. If a setting is wrong, the Worker
// does not start, and the error names the setting. Secrets do not belong here; `npm run setup` writes them.
import { defineConfig } from "./core/config/define-config.ts";

export default defineConfig({ defaults: { model: "gpt-6-luna" } });
