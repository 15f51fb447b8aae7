import { tracker } from "./one";
import type { Tracker } from "./types";

const script = document.currentScript as HTMLScriptElement | null;
(window as unknown as { tracker: Tracker }).tracker = tracker;
tracker.init({ endpoint: script?.src && new URL(script.src).origin, ...script?.dataset });
