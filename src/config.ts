// The one file to edit: models, presets, callers, limits. Every setting is described in docs/configuration.md; a mistake stops the
// start with its path. Secrets don't belong here (npm run setup).
import { defineConfig } from "./core/config/define-config.ts";

export default defineConfig({ defaults: { model: "gpt-6-luna" } });
