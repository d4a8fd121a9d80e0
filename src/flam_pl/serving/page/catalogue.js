// The catalogue: a grid of all items, filtered, page by page.

import { items } from "./api.js";
import { card, message, skeletons } from "./card.js";
import { count, el, fill } from "./dom.js";
import { createFilters } from "./filters.js";
import { PAGE } from "./state.js";

// `options`: columns, link, go, details (as in card), filtered(where), extended(shown), say(text)
export function createCatalogue({ columns, link, go, details, filtered, extended, say }) {
  const filters = createFilters(columns, filtered);
  const total = el("p", { class: "total" });
  const grid = el("ul", { class: "grid" });
  const note = el("div");
  const more = el("button", { type: "button", class: "button", hidden: true }, "Show more");
  const node = el("div", { class: "catalogue" }, el("div", { class: "bar" }, filters.node, total), grid, note, el("p", { class: "foot" }, more));
  let controller = null;
  let loaded = { key: null, hits: [], total: 0 };

  function draw(shown) {
    fill(grid, loaded.hits.slice(0, shown).map((item) => card(item, { link, go, details })));
    grid.removeAttribute("aria-busy");
    total.textContent = count(loaded.total, "piece");
    more.hidden = Math.min(shown, loaded.hits.length) >= loaded.total;
    more.onclick = () => extended(shown + PAGE);
    note.replaceChildren();
    if (!loaded.hits.length) {
      note.append(message(Object.keys(loaded.where).length
        ? { title: "Nothing passes these filters", text: "Loosen one of them.", actions: [["Clear filters", () => filtered({})]] }
        : { title: "The catalogue is empty", text: "Add photos with “flam-pl index add”. They appear here at once." }));
    }
    say(`${count(loaded.total, "piece")} in the catalogue, ${Math.min(shown, loaded.hits.length)} shown`);
  }

  async function show(where, shown) {
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    filters.update(where);
    const key = JSON.stringify(where);
    if (loaded.key !== key) {
      loaded = { key, where, hits: [], total: 0 };
      fill(grid, skeletons(12));
      note.replaceChildren();
      more.hidden = true;
    }
    grid.setAttribute("aria-busy", "true");
    try {
      while (loaded.hits.length < shown) {
        const page = await items(where, loaded.hits.length, PAGE, signal);
        signal.throwIfAborted();
        loaded.total = page.total;
        loaded.hits.push(...page.items);
        if (page.items.length < PAGE) break;
      }
      draw(shown);
    } catch (fault) {
      if (signal.aborted) return;
      grid.replaceChildren();
      grid.removeAttribute("aria-busy");
      total.textContent = "";
      loaded.key = null;
      const actions = [["Try again", () => show(where, shown)]];
      if (fault.code === "bad_filter") actions.push(["Clear filters", () => filtered({})]);
      fill(note, message({ title: "The catalogue did not load", text: fault.message, role: "alert", mark: "!", actions }));
    }
  }

  return { node, show, stop: () => controller?.abort() };
}
