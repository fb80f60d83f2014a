// GET /client.js: the typed client (docs/client.md). Any page may load the file, because it contains no secret, and an import sends no
// credential. `origins` decides whether a page may call this Worker with the client.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { assetResponse } from "./respond/asset.ts";

const HEADERS = {
  "content-type": "text/javascript; charset=utf-8",
  // The URL has no version, so browsers load the file again after five minutes. They use the stale copy while the new one loads.
  "cache-control": "public, max-age=300, stale-while-revalidate=86400",
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

export const clientRoutes = new Hono<AppEnv>().get("/", (c) => assetResponse(c, "/client.js", HEADERS));
