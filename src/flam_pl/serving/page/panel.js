// The query panel: the photo, what it is, and what should change.

import { itemImage, photoImage, picture } from "./api.js";
import { count, debounce, describe, el, fill, hidden, paints, percent, sign, swatch } from "./dom.js";
import { menu } from "./menu.js";
import { wanted, withEdit } from "./state.js";

// `actions`: change(edit), drop(attribute), clear(), strength(attribute, value), say(text), like(attribute), upload(), home(event)
export function createPanel(node, schema, actions) {
  const classes = new Map(schema.attributes.map((attribute) => [attribute.name, attribute.classes]));
  const colors = new Map(schema.attributes.map(({ name, classes: names }) => [name, paints(names)]));
  const figure = el("figure", { class: "tile query" });
  const chips = el("ul", { class: "chips" });
  const fault = el("p", { class: "fault", role: "alert", id: "text-fault" });
  const field = el("input", {
    id: "text", type: "text", placeholder: schema.attributes.slice(0, 2).map((attribute) => attribute.classes[0]).join(", "), autocomplete: "off", spellcheck: "false",
    "aria-describedby": "text-fault", maxlength: 300, enterkeyhint: "search", oninput: () => { fault.textContent = ""; },
  });
  const form = el("form", { class: "say", onsubmit: (event) => {
    event.preventDefault();
    if (field.value.trim()) actions.say(field.value.trim());
  } },
  el("label", { for: "text" }, "This one, but …"),
  el("div", { class: "field" }, field, el("button", { type: "submit", class: "button solid" }, "Apply")), fault);
  const clear = el("button", { type: "button", class: "quiet clear", "data-key": "clear", onclick: actions.clear }, "Clear all edits");
  node.replaceChildren(
    el("div", { class: "who" }, figure,
      el("p", { class: "photo-actions" },
        el("a", { href: "./", class: "quiet", onclick: actions.home }, "Choose another"),
        el("button", { type: "button", class: "quiet", onclick: actions.upload }, "Upload a photo"))),
    el("div", { class: "what" }, form, el("h2", {}, "Details you can change"), chips, clear));

  let shown = "";
  let open = null; // the attribute whose menu is open
  let several = false; // whether a choice in the menu adds a class to the others
  let state = null;
  let is = {};
  let held = false; // whether a slider is being dragged: drawing would take it from the hand

  function close(attribute, focus = true) {
    open = null;
    draw();
    if (focus) chips.querySelector(`[data-key="${CSS.escape(`chip ${attribute}`)}"]`)?.focus();
  }

  function row(attribute) {
    const edit = state.edits.find((other) => other.attribute === attribute);
    const now = is[attribute];
    const paint = colors.get(attribute) ?? new Map();
    const isOpen = open === attribute;
    const targets = edit?.to ? [edit.to].flatMap((to) => (typeof to === "string" ? to : Object.keys(to))) : [];
    const target = targets.length === 1 ? targets[0] : null;
    const chip = el("button", {
      type: "button", class: "chip", "data-key": `chip ${attribute}`, "aria-expanded": String(isOpen),
      onclick: () => {
        open = isOpen ? null : attribute;
        several = targets.length > 1;
        draw();
      },
    },
    el("span", { class: "type" }, attribute, hidden(": ")),
    el("span", { class: "now" }, swatch(paint.get(now?.name)), el("span", { class: "class" }, now?.name ?? "…"),
      now && el("small", {}, hidden(" "), percent(now.probability))),
    edit && el("span", { class: "then" }, sign("→"), hidden(", should be "), targets.map((name) => swatch(paint.get(name))), el("span", { class: "class" }, wanted(edit))));
    const line = el("li", { class: edit ? `row edited${target === now?.name ? " same" : ""}` : "row" }, el("div", { class: "chip-line" }, chip,
      edit && el("button", {
        type: "button", class: "remove", "aria-label": `Keep ${attribute} as it is`, "data-key": `remove ${attribute}`,
        onclick: () => { open = null; actions.drop(attribute); },
      }, sign("✕"))));
    if (edit?.like) {
      const [kind, value] = Object.entries(edit.like)[0];
      line.append(el("div", { class: "example" }, picture(kind === "id" ? itemImage(value) : photoImage(value), `Example of ${attribute}`, 160),
        el("button", { type: "button", class: "quiet", onclick: () => actions.like(attribute) }, "Another example")));
    }
    if (edit) line.append(slider(attribute, edit));
    if (isOpen) {
      const made = menu({
        attribute, classes: classes.get(attribute) ?? [], colors: paint, chosen: targets, several, now: now?.name,
        choose: (name) => choose(attribute, name, targets, edit?.strength ?? 1),
        severally: (on) => {
          several = on;
          if (on || targets.length < 2) draw();
          else actions.change({ attribute, to: targets[0], strength: edit.strength });
        },
        like: () => { close(attribute); actions.like(attribute); },
        close: () => close(attribute),
      });
      line.append(made.node);
      queueMicrotask(made.open);
    }
    return line;
  }

  // With `several`, the menu stays open for the next class.
  function choose(attribute, name, targets, strength) {
    const others = targets.filter((other) => other !== name);
    const names = several ? [...others, ...(targets.includes(name) ? [] : [name])] : [name];
    if (!several) open = null;
    if (!names.length) return actions.drop(attribute);
    const to = names.length > 1 ? Object.fromEntries(names.map((each) => [each, 1])) : names[0];
    actions.change({ attribute, to, strength });
    if (!several) chips.querySelector(`[data-key="${CSS.escape(`chip ${attribute}`)}"]`)?.focus();
  }

  function slider(attribute, edit) {
    const output = el("output", {}, percent(edit.strength));
    const send = debounce(250, (value) => actions.strength(attribute, value));
    return el("label", { class: "strength" }, el("span", {}, "Strength", hidden(` of ${attribute}`)),
      el("input", {
        type: "range", min: 0, max: 100, step: 5, value: String(Math.round(100 * edit.strength)), "data-key": `strength ${attribute}`,
        onpointerdown: () => { held = true; },
        oninput: (event) => {
          const value = Number(event.target.value) / 100;
          output.textContent = percent(value);
          state = { ...state, edits: withEdit(state.edits, { ...edit, strength: value }) };
          send(value);
        },
      }), output);
  }

  function draw() {
    if (held) return;
    const types = new Set([...classes.keys(), ...state.edits.map((edit) => edit.attribute)]);
    fill(chips, [...types].map(row));
    clear.hidden = state.edits.length < 2;
    clear.textContent = `Clear ${count(state.edits.length, "edit")}`;
  }

  document.addEventListener("pointerdown", (event) => {
    if (open && !chips.contains(event.target)) close(open, false);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => {
      if (!held) return;
      held = false;
      draw();
    });
  }

  return {
    show(next) {
      state = next;
      const [kind, value] = Object.entries(state.query)[0];
      if (shown !== `${kind} ${value}`) {
        shown = `${kind} ${value}`;
        open = null;
        is = {};
        field.value = state.text;
        fault.textContent = "";
        fill(figure, picture(kind === "id" ? itemImage(value) : photoImage(value), "Your photo", 640));
      }
      draw();
    },
    photoIs(attributes) {
      if (JSON.stringify(attributes) === JSON.stringify(is)) return;
      is = attributes;
      const image = figure.querySelector("img");
      if (image) image.alt = `Your photo: ${describe(attributes)}`;
      draw();
    },
    understood() { field.value = ""; fault.textContent = ""; },
    misunderstood(text) { fault.textContent = text; },
  };
}
