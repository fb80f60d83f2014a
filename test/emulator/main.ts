// `node test/emulator/main.ts [--port 8788] [--pace 20]`: the emulator as a separate process, for
// developers without a key. It prints its address in one line and exits on SIGINT or SIGTERM.
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
