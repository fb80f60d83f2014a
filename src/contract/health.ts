// What GET /health returns.
import * as z from "zod/mini";

export const Health = z.object({
  status: z
    .enum(["ok", "paused"])
    .check(z.describe("`paused` if the owner of this Worker has stopped all paid routes.")),
});
export type Health = z.infer<typeof Health>;
