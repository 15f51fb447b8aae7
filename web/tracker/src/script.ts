import { tracker } from "./one";

const script = (document.currentScript ?? document.querySelector("script[data-write-key]")) as HTMLScriptElement;
Object.assign(window, { tracker });
tracker.init({ endpoint: new URL(script.src).origin, ...script.dataset });
