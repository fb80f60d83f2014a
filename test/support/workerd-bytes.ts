// How much memory a workerd takes that this process has started. From /proc, so on Linux alone.
import { readdirSync, readFileSync } from "node:fs";

/** Resident bytes of all of them together; 0 where there is no /proc. */
export function workerdBytes(): number {
  let sum = 0;
  for (const pid of processes()) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (!/^Name:\tworkerd$/m.test(status) || !new RegExp(`^PPid:\t${process.pid}$`, "m").test(status)) continue;
      sum += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
    } catch {
      // It ended while we looked.
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
