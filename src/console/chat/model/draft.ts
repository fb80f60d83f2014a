// The question being written. It outlives a switch to another view. It needs no watchers, because the view that shows it also writes it.
import { NO_SETTINGS, type Settings } from "./settings.ts";

export interface Draft {
  text: string;
  settings: Settings;
}

export const newDraft = (): Draft => ({ text: "", settings: NO_SETTINGS });
