// Before and after: the plain search beside the edited one.

import { search } from "./api.js";
import { card, message, skeletons } from "./card.js";
import { count, el, fill, hidden, percent, sign } from "./dom.js";
import { PAGE, wanted } from "./state.js";

export const editsText = (edits) => edits.map((edit) =>
  edit.like ? `${edit.attribute} like another photo` : wanted(edit)).join(", ");

// The request of one page of a search.
export function requestOf(state, { edited, offset, facets }) {
  const body = { ...state.query, where: state.where, limit: PAGE, offset, explain: true };
  if (offset === 0 && facets.length) body.facets = facets;
  if (!edited) return body;
  body.edits = state.edits;
  if (state.least) body.least = state.least;
  return body;
}

// Loads as many pages as the state shows, and returns them as one answer.
export async function load(state, options, signal) {
  const all = await search(requestOf(state, { ...options, offset: 0 }), signal);
  const hits = [...all.hits];
  let last = all;
  while (hits.length < state.shown && last.hits.length === PAGE) {
    last = await search(requestOf(state, { ...options, offset: hits.length }), signal);
    hits.push(...last.hits);
  }
  return { ...all, hits, more: last.hits.length === PAGE && hits.length < all.total };
}

export function createColumn(name) {
  const title = el("h2", { id: `${name}-title`, tabindex: -1 });
  const lead = el("div", { class: "lead" });
  const grid = el("ul", { class: "grid" });
  const note = el("div");
  const node = el("section", { class: `column ${name}`, "aria-labelledby": `${name}-title` }, el("header", {}, title, lead), note, grid);
  return {
    node,
    title,
    heading(...texts) { fill(title, texts); },
    // Keeps what is shown while the next answer is on its way, or shows skeletons.
    wait(fresh) {
      grid.setAttribute("aria-busy", "true");
      if (!fresh && grid.children.length) return;
      lead.replaceChildren();
      note.replaceChildren();
      fill(grid, skeletons(6));
    },
    show(answer, { edits, hide, cardOptions, loosen }) {
      grid.removeAttribute("aria-busy");
      const unmet = answer.hits.filter((hit) => hit.met === false).length;
      const hits = hide ? answer.hits.filter((hit) => hit.met !== false) : answer.hits;
      node.classList.toggle("nothing-fits", Boolean(edits.length) && answer.fits === false);
      fill(lead,
        edits.length && answer.fits === false
          ? [el("p", { class: "no-fit" }, el("strong", {}, "No item fits."), ` ${answer.sentence ?? ""}`),
            hits.length > 0 && el("p", { class: "nearest" }, "The nearest offers:")]
          : edits.length && answer.sentence ? el("p", {}, answer.sentence) : null,
        (answer.notes ?? []).map((text) => el("p", { class: "note" }, text)),
        hide && unmet > 0 ? el("p", { class: "note" }, `${count(unmet, "result")} hidden: not as asked.`) : null);
      fill(grid, hits.map((hit) => card(hit, { ...cardOptions, edits })));
      fill(note, hits.length ? [] : message({
        title: edits.length ? "No result is left" : "Nothing is like this",
        text: edits.length ? "Lower the cut-off, show the hidden ones, or loosen a filter." : "Loosen a filter, or choose another photo.",
        actions: loosen ? [["Show everything", loosen]] : [],
      }));
      return { shown: hits.length, unmet: hide ? 0 : unmet };
    },
    fail(fault) {
      grid.removeAttribute("aria-busy");
      grid.replaceChildren();
      lead.replaceChildren();
      fill(note, message({ role: "alert", mark: "!", ...fault }));
    },
    clear() { for (const part of [lead, grid, note]) part.replaceChildren(); },
  };
}

// The cut-off, and the switch that hides what does not meet the edit.
export function createCut({ least, hide }) {
  const output = el("output", { id: "least-output" });
  const range = el("input", {
    id: "least", type: "range", min: 0, max: 95, step: 5,
    oninput: () => { word(); least(Number(range.value) / 100); },
  });
  const box = el("input", { type: "checkbox", id: "hide", onchange: () => hide(box.checked) });
  const word = () => {
    output.textContent = Number(range.value) ? `${percent(Number(range.value) / 100)} sure or more` : "none";
    range.setAttribute("aria-valuetext", output.textContent);
  };
  const node = el("div", { class: "cut" },
    el("label", { for: "least" }, sign("Cut-off: "), hidden("Only show results that are at least this sure:"), output), range,
    el("label", { class: "switch" }, box, el("span", {}, "Hide what is not as asked")));
  return { node, update(state) {
    range.value = String(Math.round(100 * state.least));
    box.checked = state.hide;
    word();
  } };
}
