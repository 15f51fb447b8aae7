const digit = (): string => (crypto.getRandomValues(new Uint8Array(1))[0]! & 15).toString(16);

/** A UUIDv7: 48 bits of milliseconds, then chance; those of a later millisecond sort behind. */
export const uuid = (): string =>
  `0${Date.now().toString(16)}-7xxx-8xxx-xxxxxxxxxxxx`.replace(/.{8}/, "$&-").replace(/x/g, digit);

/** Milliseconds since the UUIDv7 was made. */
export const ageOf = (id: string): number => Date.now() - parseInt(id.slice(0, 13).replace("-", ""), 16);
