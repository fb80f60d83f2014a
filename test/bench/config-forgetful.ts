// The same without memory: no turns, no kept answers.
import { defineConfig } from "../../src/core/config/define-config.ts";

export default defineConfig({ defaults: { model: "json" }, turns: false, cache: false });
