// GET /health.
import * as z from "zod/mini";

export const Health = z.object({
  status: z.enum(["ok", "paused"]).check(z.describe("`paused`: its owner has stopped all paid routes.")),
});

export type Health = z.infer<typeof Health>;
