// Dialogs: the details of a hit, an example photo, the API key.

import { itemImage, picture } from "./api.js";
import { altOf, nameOf } from "./card.js";
import { el, fill, hidden, percent, sign } from "./dom.js";

const closing = (dialog) => el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, sign("✕"));

export function prepare(dialog) {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // the backdrop
  return dialog;
}

function address(uri) {
  try {
    const url = new URL(uri);
    if (["http:", "https:"].includes(url.protocol)) return el("a", { href: url.href, rel: "noopener noreferrer", target: "_blank" }, uri);
  } catch { /* a path, not an address */ }
  return uri;
}

export function showDetails(dialog, item, { go, link }) {
  const guesses = Object.entries(item.attributes ?? {}).map(([type, guess]) => el("div", {},
    el("dt", {}, type),
    el("dd", {}, el("span", {}, guess.name), el("meter", { min: 0, max: 1, value: guess.probability, "aria-label": `Probability of ${guess.name}` }), el("small", {}, percent(guess.probability)))));
  const columns = Object.entries(item.columns ?? {}).filter(([, value]) => value !== null && value !== "").map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, String(value))));
  if (item.uri) columns.push(el("div", {}, el("dt", {}, "original"), el("dd", {}, address(item.uri))));
  columns.push(el("div", {}, el("dt", {}, "id"), el("dd", {}, item.id)));
  const why = item.why ?? [];
  fill(dialog, closing(dialog), el("div", { class: "details" },
    el("div", { class: "tile" }, picture(item.image ?? itemImage(item.id), altOf(item), 800)),
    el("div", { class: "facts" },
      el("h2", { id: "details-title" }, nameOf(item)),
      why.length > 0 && [el("h3", {}, "Why it is here"), el("ul", { class: "why" }, why.map((line) => el("li", {}, line)))],
      guesses.length > 0 && [el("h3", {}, "What the photo shows"), el("dl", { class: "guesses" }, guesses)],
      el("h3", {}, "In the catalogue"), el("dl", {}, columns),
      el("p", { class: "actions" }, el("a", { class: "button solid", href: link(item), onclick: (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        dialog.close();
        go(item);
      } }, "Go on from this one")))));
  dialog.setAttribute("aria-labelledby", "details-title");
  dialog.showModal();
}

export function showPicker(dialog, { attribute, catalogue, upload }) {
  fill(dialog, closing(dialog), el("div", { class: "picker" },
    el("header", {},
      el("h2", { id: "picker-title" }, `Like which photo, in ${attribute}?`),
      el("p", {}, "Choose one below, or ", el("button", { type: "button", class: "inline", onclick: upload }, "upload a photo"), ". Dropping or pasting one works too."),
      el("p", { class: "fault", role: "alert", id: "picker-fault" })),
    catalogue));
  dialog.setAttribute("aria-labelledby", "picker-title");
  dialog.showModal();
}

// The API key that was typed; "" if the dialog was closed without one.
export function askKey(dialog, again) {
  const field = el("input", { id: "api-key", type: "password", autocomplete: "current-password", required: true });
  return new Promise((resolve) => {
    let given = "";
    fill(dialog, el("form", { method: "dialog", class: "key", onsubmit: () => { given = field.value.trim(); } },
      el("h2", { id: "key-title" }, "This shop asks for a key"),
      el("p", { role: again ? "alert" : null }, again ? "The shop does not accept this key. Try another one." : "Whoever runs it can give you one. The key stays in this tab."),
      el("label", { for: "api-key" }, "API key"), field,
      el("p", { class: "actions" }, el("button", { class: "button solid" }, "Enter"),
        el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel", hidden(", without a key")))));
    dialog.setAttribute("aria-labelledby", "key-title");
    dialog.addEventListener("close", () => resolve(given), { once: true });
    dialog.showModal();
    field.focus();
  });
}
