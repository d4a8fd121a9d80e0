// Product cards: a picture, a name, what the photo has.

import { picture, itemImage } from "./api.js";
import { describe, el, hidden, number, percent, sign } from "./dom.js";

const NAMES = ["name", "title", "product_name", "productname", "productdisplayname", "display_name", "label"];
const PRICES = ["price", "preis", "cost"];

const column = (item, names) => {
  const found = Object.keys(item.columns ?? {}).find((name) => names.includes(name.toLowerCase()));
  const value = found && item.columns[found];
  return value === null || value === undefined || value === "" ? null : value;
};

export const nameOf = (item) => String(column(item, NAMES) ?? item.id);
export const altOf = (item) => describe(item.attributes) || nameOf(item);

function caption(item, edits) {
  const edited = new Set(edits.map((edit) => edit.attribute));
  const parts = Object.entries(item.attributes ?? {}).flatMap(([type, guess], index) => [
    index ? sign(" · ") : null,
    index ? hidden(", ") : null,
    el(edited.has(type) ? "b" : "span", {}, guess.name),
  ]);
  const price = column(item, PRICES);
  return el("div", { class: "caption" },
    el("p", { class: "name" }, el("span", {}, nameOf(item)),
      price !== null && el("span", { class: "price" }, typeof price === "number" ? number(price) : String(price))),
    el("p", { class: "has" }, parts));
}

function verdict(hit) {
  if (hit.met !== true && hit.met !== false) return null;
  const sure = hit.probability === null || hit.probability === undefined ? "" : ` ${percent(hit.probability)}`;
  return el("p", { class: hit.met ? "verdict met" : "verdict unmet" },
    sign(hit.met ? "✓ " : "✕ "), hit.met ? "As asked" : "Not as asked", sure && el("span", {}, sure));
}

// `link`: address to go on from this item; `go`: the same without loading the page again.
export function card(item, { link, go, details, edits = [] }) {
  const opened = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button > 0) return;
    event.preventDefault();
    go(item);
  };
  const image = picture(item.image ?? itemImage(item.id), altOf(item), 480);
  const main = link
    ? el("a", { class: "open", href: link(item), onclick: opened, "data-key": `open ${item.id}` })
    : el("button", { class: "open", type: "button", onclick: opened, "data-key": `open ${item.id}` });
  main.append(el("span", { class: "tile" }, image), caption(item, edits));
  return el("li", { class: item.met === false ? "card unmet" : "card" },
    main,
    verdict(item),
    details && el("button", {
      class: "more-about", type: "button", "data-key": `about ${item.id}`, onclick: () => details(item),
      "aria-label": `Details of ${nameOf(item)}`,
    }, sign("i")));
}

export const skeletons = (n) =>
  Array.from({ length: n }, () => el("li", { class: "card skeleton", "aria-hidden": "true" },
    el("span", { class: "tile" }), el("span", { class: "line" }), el("span", { class: "line short" })));

// A message with a picture of nothing: empty shelves, faults, expired photos.
export function message({ title, text, role = null, actions = [], mark = "∅" }) {
  return el("div", { class: "message", role },
    el("p", { class: "mark", "aria-hidden": "true" }, mark),
    el("h3", {}, title),
    text && el("p", {}, text),
    actions.length > 0 && el("p", { class: "actions" }, actions.map(([label, action]) =>
      el("button", { type: "button", class: "button", onclick: action }, label))));
}
