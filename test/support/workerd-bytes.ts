// The memory of the workerd processes that this process started. Reads /proc, so it works on Linux only.
import { readdirSync, readFileSync } from "node:fs";

/** The sum of their resident memory in bytes; 0 without /proc. */
export function workerdBytes(): number {
  let sum = 0;
  for (const pid of processes()) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (!/^Name:\tworkerd$/m.test(status) || !new RegExp(`^PPid:\t${process.pid}$`, "m").test(status)) continue;
      sum += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
    } catch {
      // The process ended meanwhile.
    }
  }
  return sum;
}

function processes(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}
