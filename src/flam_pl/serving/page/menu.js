// The menu of an attribute: its classes as a listbox, with a search field when there are many.

import { el, swatch } from "./dom.js";

const MANY = 8;
let made = 0;

// `chosen` are names, the last one chosen last; with `several`, a choice adds or removes a class.
// Calls choose(name), severally(on), like() and close(). Arrow keys, Home, End, Enter, Escape, letters.
export function menu({ attribute, classes, colors, chosen, several, now, choose, severally, like, close }) {
  const base = `menu-${++made}`;
  const searching = classes.length > MANY;
  let active = Math.max(classes.indexOf(chosen.at(-1) ?? now), 0);
  let letters = "";
  let lastLetter = 0;

  const options = classes.map((name, index) => el("li", {
    role: "option", id: `${base}-${index}`, "aria-selected": String(chosen.includes(name)), "data-name": name,
    onclick: () => choose(name),
    onpointermove: () => activate(index),
  }, swatch(colors.get(name)), el("span", {}, name), name === now && el("small", {}, "now")));
  const list = el("ul", { role: "listbox", id: `${base}-list`, "aria-label": `Another ${attribute}`, "aria-multiselectable": several && "true", class: colors.size ? "colors" : null }, options);
  const none = el("p", { class: "none", hidden: true }, "No class has this name.");
  const field = searching ? el("input", {
    type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": list.id, "aria-autocomplete": "list",
    autocomplete: "off", spellcheck: "false", placeholder: `Search ${classes.length} classes`,
    "aria-label": `Search the classes of ${attribute}`, oninput: () => narrow(),
  }) : null;
  const handle = field ?? list;
  list.tabIndex = searching ? -1 : 0;

  const shown = () => options.map((_, index) => index).filter((index) => !options[index].hidden);

  function activate(index) {
    options[active]?.classList.remove("active");
    active = index;
    const option = options[active];
    if (!option) return handle.removeAttribute("aria-activedescendant");
    option.classList.add("active");
    handle.setAttribute("aria-activedescendant", option.id);
  }

  function move(index) {
    activate(index);
    options[active]?.scrollIntoView({ block: "nearest" });
  }

  function narrow() {
    const text = field.value.trim().toLowerCase();
    for (const option of options) option.hidden = !option.dataset.name.toLowerCase().includes(text);
    const left = shown();
    none.hidden = left.length > 0;
    const first = left.find((index) => classes[index].toLowerCase().startsWith(text));
    move(first ?? left[0] ?? -1);
  }

  function typed(letter) {
    const time = Date.now();
    letters = time - lastLetter < 700 ? letters + letter : letter;
    lastLetter = time;
    const index = classes.findIndex((name) => name.toLowerCase().startsWith(letters.toLowerCase()));
    if (index >= 0) move(index);
  }

  function pressed(event) {
    const left = shown();
    const at = left.indexOf(active);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 8, PageUp: at - 8 };
    if (!searching) Object.assign(steps, { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: left.length - 1 });
    if (event.key in steps) {
      event.preventDefault();
      if (left.length) move(left[Math.min(Math.max(steps[event.key], 0), left.length - 1)]);
    } else if (event.key === "Enter" || (event.key === " " && !searching)) {
      event.preventDefault();
      if (left.includes(active)) choose(classes[active]);
    } else if (!searching && event.key.length === 1 && !event.ctrlKey && !event.metaKey) typed(event.key);
  }

  handle.addEventListener("keydown", pressed);
  const node = el("div", { class: "menu", onkeydown: (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  } },
  field, list, none,
  el("div", { class: "menu-foot" },
    el("label", { class: "switch" }, el("input", { type: "checkbox", checked: several, onchange: (event) => severally(event.target.checked) }),
      el("span", {}, "Several")),
    el("button", { type: "button", class: "quiet", onclick: like }, "Like another photo…"),
    el("button", { type: "button", class: "quiet", onclick: close }, "Close")));
  return { node, open: () => { handle.focus({ preventScroll: true }); move(active); node.scrollIntoView({ block: "nearest" }); } };
}
