// `node test/emulator/main.ts [--port 8788] [--pace 20]`: the emulator as a process of its own, for a
// person without a key. It says its address in one line and ends at SIGINT or SIGTERM.
import { parseArgs } from "node:util";

import { startEmulator } from "./emulator.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8788" },
    pace: { type: "string", default: "20" },
  },
});
const emulator = await startEmulator({ port: Number(values.port), paceMs: Number(values.pace) });
console.log(`UniAPI emulator on ${emulator.url} (any key; GET /v1/models lists what it can do)`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void emulator.close());
}
