import { isOn, settings } from "./settings";
import { CHOICE, read, write } from "./storage";

export const choose = (choice: "in" | "out"): void => write(CHOICE, choice);

export const hasOptedOut = (): boolean => read(CHOICE) === "out";

/** Why nothing may be tracked, or empty. */
export function refusal(): string {
  const { globalPrivacyControl, doNotTrack } = navigator as Navigator & {
    globalPrivacyControl?: boolean;
    doNotTrack?: string | null;
  };
  if (hasOptedOut()) return "opted out";
  if (!isOn(settings.signals, true)) return "";
  return globalPrivacyControl ? "GPC" : doNotTrack === "1" ? "DNT" : "";
}

export const lacksConsent = (): boolean => isOn(settings.consent) && read(CHOICE) !== "in";

/** An address without the parameters that settings name. */
export function clean(address: string): string {
  const names = (settings.strip ?? "*token,password")
    .replace(/[\s,]+/g, "|")
    .replace(/[^\w|*]/g, "\\$&")
    .replace(/\*/g, "[^=&#]*");
  return address
    .replace(new RegExp(`([?&#])((${names})(=[^&#]*)?(&|(?=#|$)))+`, "gi"), "$1")
    .replace(/[?#&]+(?=#|$)/g, "");
}
