// `request_batching` (the default): batches every three seconds, a beacon when the page is left, retries held in memory.
// What isn't events is switched off, and so is the filter that sends nothing from automated browsers.
import posthog from "posthog-js";

posthog.init("token", {
  api_host: SINK,
  request_batching: true,
  persistence: "localStorage",
  autocapture: false,
  capture_pageview: false,
  capture_pageleave: false,
  disable_session_recording: true,
  disable_surveys: true,
  disable_external_dependency_loading: true,
  advanced_disable_flags: true,
  opt_out_useragent_filter: true,
});
window.act = (mark) => posthog.capture("Acted", { mark });
