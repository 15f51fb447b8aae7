// Templates whose values are escaped; what is null, undefined or false leaves nothing behind.

class Html extends String {}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function html(parts, ...values) {
  return new Html(parts.reduce((text, part, index) => text + inner(values[index - 1]) + part));
}

function inner(value) {
  if (value instanceof Html) return value;
  if (Array.isArray(value)) return value.map(inner).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}
