// Filters: one pill per column of the gallery, with counts.

import { debounce, el, fill, hidden, number } from "./dom.js";

const bounds = ({ least, most }) =>
  least === undefined ? `to ${most}` : most === undefined ? `from ${least}` : `${least} – ${most}`;

// A box shows a new value of its filter. What is being typed in it stays, and so does another spelling of a number.
const shown = new WeakMap();
function follow(box, value = "") {
  if (shown.get(box) === value) return;
  shown.set(box, value);
  const same = box.value === String(value) || (box.value !== "" && Number(box.value) === value);
  if (!same) box.value = value;
}

// `changed(where)` is called with the new filters. `update(where, facets)` shows them.
export function createFilters(columns, changed) {
  const node = el("div", { class: "filters", role: "group", "aria-label": "Filters" });
  let where = {};
  let overall = true;

  function set(column, wanted) {
    const next = { ...where };
    const empty = !wanted || (Array.isArray(wanted) ? !wanted.length : wanted.least === undefined && wanted.most === undefined);
    if (empty) delete next[column];
    else next[column] = wanted;
    where = next;
    changed(next);
  }

  const chosen = (column) => (Array.isArray(where[column]) ? where[column] : []);

  function choices({ name, values }) {
    const boxes = Object.entries(values).map(([value, total]) => {
      const box = el("input", { type: "checkbox", onchange: () => {
        const others = chosen(name).filter((other) => other !== value);
        set(name, box.checked ? [...others, value] : others);
      } });
      const shown = el("small");
      return { value, total, box, shown, line: el("label", {}, box, el("span", {}, value), shown) };
    });
    const update = (facets) => {
      for (const { value, total, box, shown } of boxes) {
        box.checked = chosen(name).includes(value);
        const found = facets?.[name] ? facets[name][value] ?? 0 : total;
        // a column that filters itself says nothing about its other values
        shown.textContent = where[name] && !box.checked ? "" : number(where[name] && overall ? total : found);
      }
    };
    return { body: el("fieldset", {}, el("legend", { class: "for-readers" }, name), boxes.map(({ line }) => line)), update };
  }

  function range({ name }) {
    const bound = (kind, label) => el("input", {
      type: "number", step: "any", inputmode: "decimal", placeholder: label, "aria-label": `${name} ${label}`,
      oninput: debounce(500, (event) => {
        const text = event.target.value;
        const { [kind]: _, ...rest } = Array.isArray(where[name]) ? {} : where[name] ?? {};
        set(name, text === "" || !Number.isFinite(Number(text)) ? rest : { ...rest, [kind]: Number(text) });
      }),
    });
    const [least, most] = [bound("least", "from"), bound("most", "to")];
    const update = () => {
      follow(least, where[name]?.least);
      follow(most, where[name]?.most);
    };
    return { body: el("div", { class: "range" }, least, el("span", {}, "–"), most), update };
  }

  function exact({ name }) {
    const box = el("input", { type: "text", placeholder: "exact value", "aria-label": `${name}, exact value` });
    const form = el("form", { class: "range", onsubmit: (event) => {
      event.preventDefault();
      set(name, box.value.trim() ? [box.value.trim()] : null);
    } }, box, el("button", { class: "button", type: "submit" }, "Apply"));
    return { body: form, update: () => follow(box, chosen(name)[0]) };
  }

  const pills = columns.map((column) => {
    const { body, update } = column.kind === "number" ? range(column) : column.values ? choices(column) : exact(column);
    const badge = el("b");
    const pill = el("details", { class: "filter", name: "filter" },
      el("summary", {}, el("span", {}, column.name), badge), el("div", { class: "sheet" }, body));
    pill.addEventListener("toggle", () => {
      pill.classList.toggle("right", pill.open && pill.offsetLeft > node.clientWidth - 280);
    });
    pill.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !pill.open) return;
      event.stopPropagation();
      pill.open = false;
      pill.querySelector("summary").focus();
    });
    return { column: column.name, pill, badge, update };
  });
  const clear = el("button", { type: "button", class: "quiet small", onclick: () => { where = {}; changed({}); } }, "Clear filters");
  document.addEventListener("pointerdown", (event) => {
    for (const { pill } of pills) if (pill.open && !pill.contains(event.target)) pill.open = false;
  });
  fill(node, pills.map(({ pill }) => pill), clear);

  return {
    node,
    update(next, facets = null) {
      where = next;
      overall = !facets;
      for (const { column, pill, badge, update } of pills) {
        const wanted = where[column];
        pill.classList.toggle("on", Boolean(wanted));
        fill(badge, !wanted ? [] : [hidden(", "), Array.isArray(wanted)
          ? (wanted.length === 1 ? wanted[0] : `${wanted.length} values`)
          : bounds(wanted)]);
        update(facets);
      }
      clear.hidden = !Object.keys(where).length;
      node.hidden = !pills.length;
    },
  };
}
