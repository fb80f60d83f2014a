// The one file to edit: models, presets, callers, limits. docs/configuration.md describes every setting. A mistake stops the start, with
// a message that names the setting. Secrets do not belong here: npm run setup writes them.
import { defineConfig } from "./core/config/define-config.ts";

export default defineConfig({ defaults: { model: "gpt-6-luna" } });
