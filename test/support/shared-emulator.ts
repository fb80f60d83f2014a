// One UniAPI emulator for all tests in workerd, which can't start a server themselves. They tell their own requests from others' by
// the text they ask with.
import type { TestProject } from "vitest/node";
import { startEmulator } from "../emulator/emulator.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const emulator = await startEmulator({ key: "sk-canary-4f9d2c7b1e8a" });
  project.provide("emulatorUrl", emulator.url);
  return () => emulator.close();
}
