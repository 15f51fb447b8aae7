// Notes what the tracker tracks, when it sends that, and what it is answered, so that the panel can show it.
(() => {
  const EVENTS = /\/v1\/(me\/)?events\b/;
  const { fetch } = window;
  const beacon = navigator.sendBeacon;
  const noted = (window.noted = new Map());

  // The tracker tells analytics that a page has of every event at once; it thinks that this is one.
  window.gtag = (command, name, event) => note([event], "waiting");

  window.fetch = (resource, options) => {
    const answer = fetch(resource, options);
    if (EVENTS.test(resource.url ?? resource) && options?.body) {
      follow(options.body, answer.then((response) => response.clone()));
    }
    return answer;
  };

  navigator.sendBeacon = (url, body) => {
    const taken = beacon.call(navigator, url, body);
    if (EVENTS.test(url)) follow(body, taken ? { ok: true } : Promise.reject());
    return taken;
  };

  async function follow(body, answer) {
    let events = [];
    try {
      const said = JSON.parse(body instanceof Blob ? await body.text() : body);
      events = said.events ?? [said].flat();
      note(events, "sending");
      const response = await answer;
      const { rejected = [] } = (await response.json?.().catch(() => {})) ?? {};
      const errors = new Map(rejected.map(({ index, error }) => [index, error]));
      events.forEach((event, index) => {
        note([event], response.ok && !errors.has(index) ? "arrived" : "refused", errors.get(index));
      });
    } catch {
      note(events, "lost");
    }
  }

  function note(events, state, why) {
    for (const event of events) {
      const known = noted.get(event.id) ?? { at: new Date() };
      noted.set(event.id, Object.assign(known, { event: { ...known.event, ...event }, state, why }));
    }
    window.dispatchEvent(new CustomEvent("noted", { detail: state }));
  }
})();
