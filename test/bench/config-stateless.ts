// The same Worker without turns and without the answer cache.
import { defineConfig } from "../../src/core/config/define-config.ts";

export default defineConfig({ defaults: { model: "json" }, turns: false, cache: false });
