// Elements, numbers and colors. Text goes in by textContent only, so that no name can become markup.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Replaces what a container holds. The focus stays on the element with the same data-key.
export function fill(container, ...nodes) {
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  container.replaceChildren(...nodes.flat().filter(Boolean));
  if (!focused) return;
  const again = [...container.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused);
  again?.focus({ preventScroll: true });
}

export const hidden = (text) => el("span", { class: "for-readers" }, text);
export const sign = (text) => el("span", { "aria-hidden": "true" }, text);

const whole = new Intl.NumberFormat("en");
export const count = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;
export const number = (n) => whole.format(n);
export const percent = (p) => `${Math.round(100 * p)}\u202f%`;

export const describe = (attributes) =>
  Object.entries(attributes ?? {}).map(([type, guess]) => `${type} ${guess.name}`).join(", ");

export function debounce(wait, action) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(action, wait, ...given);
  };
}

// Shop colors that CSS does not know.
const SHOP_COLORS = {
  beige: "#d9c7a7", bronze: "#8c6a3f", burgundy: "#6d1a2d", camel: "#c19a6b", charcoal: "#3c4045",
  "coffee brown": "#5a3d2b", copper: "#b5683c", cream: "#f6eed8", denim: "#3f5b7f",
  "fluorescent green": "#7dfb3d", "grey melange": "#a9a9ad", "lime green": "#7bc043", mauve: "#b48aa8",
  metallic: "#a8a9ad", mint: "#a8dcc0", "mushroom brown": "#a58d7f", mustard: "#d3a11e", "navy blue": "#1f2a4d",
  navy: "#1f2a4d", nude: "#e3bc9a", "off white": "#f5f2e8", peach: "#fbc3a0", rose: "#d77a8c",
  rust: "#a4492a", "sea green": "#2e8b6d", skin: "#e6b99a", steel: "#7d8790", taupe: "#87786a",
  "turquoise blue": "#2fc0c8", wine: "#6b1f33",
};
const MANY = /^(multi|multi-?colou?red|assorted|rainbow)$/;

const paint = (name) => {
  const plain = name.toLowerCase().trim();
  if (MANY.test(plain)) return "multi";
  if (SHOP_COLORS[plain]) return SHOP_COLORS[plain];
  const joined = plain.replace(/[\s_-]+/g, "");
  const known = /^[a-z]+$/.test(joined) && CSS.supports("color", joined);
  return known && !["transparent", "currentcolor", "inherit", "initial", "unset", "revert"].includes(joined) ? joined : null;
};

// Class -> color of an attribute whose classes are colors for the most part, else nothing.
export function paints(classes) {
  const found = classes.map((name) => [name, paint(name)]).filter(([, color]) => color);
  return new Map(2 * found.length > classes.length ? found : []);
}

export function swatch(color) {
  if (!color) return null;
  const dot = el("span", { class: color === "multi" ? "swatch multi" : "swatch", "aria-hidden": "true" });
  if (color !== "multi") dot.style.backgroundColor = color;
  return dot;
}
