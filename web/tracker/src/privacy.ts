import { settings } from "./settings";
import { disk } from "./storage";

const CHOICE = "footfall_choice";
let chosen: string | undefined;

/** The choice outlives the page also where nothing else is stored: somebody made it. */
export function choose(choice: "in" | "out"): void {
  chosen = choice;
  try {
    disk()!.setItem(CHOICE, choice);
  } catch {
    // Then it holds for this page.
  }
}

const choice = (): string | null | undefined => disk()?.getItem(CHOICE) ?? chosen;

/** Why nothing may be tracked, or empty. */
export function refusal(): string {
  const { globalPrivacyControl, doNotTrack } = navigator as Navigator & {
    globalPrivacyControl?: boolean;
    doNotTrack?: string | null;
  };
  if (choice() === "out") return "opted out";
  if (settings.signals === "ignore") return "";
  return globalPrivacyControl ? "Global Privacy Control" : doNotTrack === "1" ? "Do Not Track" : "";
}

export const lacksConsent = (): boolean => settings.consent === "required" && choice() !== "in";

/** An address without the parameters that settings name. */
export function clean(address: string): string {
  const names = (settings.strip ?? "access_token,id_token,token,password").split(/[\s,]+/).filter(Boolean);
  if (names.includes("*")) return address.split(/[?#]/)[0]!;
  const escaped = names.map((name) => name.replace(/\W/g, "\\$&")).join("|");
  return escaped ? address.replace(new RegExp(`([?&#])(?:${escaped})=[^&#]*`, "gi"), "$1") : address;
}
