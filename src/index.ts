// The Worker's entry.
import config from "#config";
import { createApp } from "./app.ts";

export default createApp(config);
