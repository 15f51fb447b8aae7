import { tracker } from "./one";
import type { Tracker } from "./types";

const script = document.currentScript as HTMLScriptElement;
(window as unknown as { tracker: Tracker }).tracker = tracker;
tracker.init({ endpoint: new URL(script.src).origin, ...script.dataset });
