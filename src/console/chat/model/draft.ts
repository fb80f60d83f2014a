// What is about to be asked: it outlives a look at another view. Not watched: whoever shows it writes it, too.
import { NO_SETTINGS, type Settings } from "../view/settings.tsx";

export interface Draft {
  text: string;
  settings: Settings;
}

export const newDraft = (): Draft => ({ text: "", settings: NO_SETTINGS });
