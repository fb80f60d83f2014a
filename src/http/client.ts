// GET /client.js: the typed client (docs/client.md). Any page may read it: it holds no secret, and an import sends no credential. `origins`
// decides what a page may do with it.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { assetResponse } from "./respond/asset.ts";

const HEADERS = {
  "content-type": "text/javascript; charset=utf-8",
  // The URL has no version: a deployment is seen within five minutes, and a stale copy is used while the new one loads.
  "cache-control": "public, max-age=300, stale-while-revalidate=86400",
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

export const clientRoutes = new Hono<AppEnv>().get("/", (c) => assetResponse(c, "/client.js", HEADERS));
