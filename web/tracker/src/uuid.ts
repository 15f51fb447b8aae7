/** A UUIDv7: 48 bits of milliseconds, then chance; later ones sort behind earlier ones. */
export function uuid(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(10)));
  const random = bytes.map((byte) => (byte | 256).toString(16).slice(1)).join("");
  const variant = "89ab"[bytes[0]! & 3];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(2, 5)}-${variant}${random.slice(5, 8)}-${random.slice(8)}`;
}

/** Milliseconds since the UUIDv7 was made. */
export const ageOf = (id: string): number => Date.now() - parseInt(id.slice(0, 13).replace("-", ""), 16);
