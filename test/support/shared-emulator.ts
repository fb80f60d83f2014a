// One UniAPI emulator for all tests in workerd, which can't start a server. A test finds its own requests by the text of its input.
import type { TestProject } from "vitest/node";
import { startEmulator } from "../emulator/emulator.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const emulator = await startEmulator({ key: "sk-canary-4f9d2c7b1e8a" });
  project.provide("emulatorUrl", emulator.url);
  return () => emulator.close();
}
