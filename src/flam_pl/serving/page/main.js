// The page: the address is the state, every change goes through it.

import { attributes as loadAttributes, forget, listen, search } from "./api.js";
import { message } from "./card.js";
import { createCatalogue } from "./catalogue.js";
import { askKey, prepare, showDetails, showPicker } from "./details.js";
import { count, debounce, describe, fill } from "./dom.js";
import { createFilters } from "./filters.js";
import { createPanel } from "./panel.js";
import { receivePhotos } from "./photos.js";
import { createColumn, createCut, editsText, load } from "./results.js";
import { EMPTY, PAGE, address, read, withEdit } from "./state.js";

const $ = (id) => document.getElementById(id);
const [details, picker, keys] = ["details", "picker", "keys"].map((id) => prepare($(id)));
let state = read(location.search);
let schema = null;
let view = null; // the parts that need the schema
let liking = null; // the attribute that the next photo is an example of
let toastTimer = 0;

const say = debounce(150, (text) => { $("status").textContent = text; });
function toast(text, stays = false) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  $("toast").hidden = !text;
  if (text && !stays) toastTimer = setTimeout(() => { $("toast").hidden = true; }, 5000);
}

function go(change, { replace = false, quiet = false } = {}) {
  state = { ...state, ...change };
  if (!replace) photos.stop(); // a newer choice than the photo that is on its way
  history[replace ? "replaceState" : "pushState"](null, "", address(state));
  return quiet ? undefined : show();
}

const from = (query) => ({ ...EMPTY, query, where: state.where, hide: state.hide });
const cardOptions = {
  link: (item) => address(from({ id: item.id })),
  go: (item) => { go(from({ id: item.id })); arrive(); },
  details: (item) => showDetails(details, item, cardOptions),
};

function arrive() {
  window.scrollTo(0, 0);
  (state.edits.length ? view.after : view.before).title.focus({ preventScroll: true });
}

function home(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go({ ...EMPTY, where: state.where });
  window.scrollTo(0, 0);
  $("home-title").focus({ preventScroll: true });
}

// ---- searching ----------------------------------------------------------------------------------

let controller = null;
let searchedFor = "";
let expired = false; // the upload that the address names is no longer there

async function showSearch() {
  controller?.abort();
  controller = new AbortController();
  const { signal } = controller;
  const { panel, before, after, cut, filters, facets } = view;
  const now = state;
  const edited = now.edits.length > 0;
  const photo = JSON.stringify(now.query);
  const fresh = searchedFor !== photo;
  searchedFor = photo;
  expired = false;
  panel.show(now);
  filters.update(now.where, view.counts);
  cut.update(now);
  cut.node.hidden = !edited;
  after.node.hidden = !edited;
  $("columns").classList.toggle("pair", edited);
  before.heading(edited ? "Before" : "Most like it");
  after.heading("After: ", editsText(now.edits));
  document.title = `${now.edits.length ? `This one, but ${editsText(now.edits)}` : "Search by photo"} · ${schema.name}`;
  before.wait(fresh);
  if (edited) after.wait(fresh);
  else after.clear();
  $("more").hidden = true;
  if (now.text) return hear(now, signal);
  const shared = { facets };
  const plain = load(now, { ...shared, edited: false }, signal);
  const other = edited ? load(now, { ...shared, edited: true }, signal) : null;
  other?.catch(() => {});
  let more = false;
  const told = [];
  try {
    const answer = await plain;
    signal.throwIfAborted();
    panel.photoIs(answer.query?.attributes ?? {});
    view.counts = answer.facets ?? null;
    filters.update(now.where, view.counts);
    const { shown } = before.show(answer, { edits: [], hide: false, cardOptions });
    told.push(`${edited ? "Before: " : ""}${count(shown, "result")} of ${count(answer.total, "piece")}`);
    more ||= answer.more;
  } catch (fault) {
    if (!signal.aborted) failed(fault);
    return;
  }
  try {
    const answer = await other;
    signal.throwIfAborted();
    if (answer) {
      const loosen = now.least || now.hide ? () => go({ least: 0, hide: false }) : null;
      const { shown, unmet } = after.show(answer, { edits: now.edits, hide: now.hide, cardOptions, loosen });
      told.push(`After: ${answer.fits === false ? "no item fits, " : ""}${count(shown, "result")}${unmet ? `, ${unmet} not as asked` : ""}`);
      more ||= answer.more;
    }
  } catch (fault) {
    if (signal.aborted) return;
    after.fail(fault.status === 404 ? lostExample(fault) : explain(fault));
  }
  $("more").hidden = !more;
  say(told.join(". "));
}

function failed(fault) {
  view.after.clear();
  view.after.node.hidden = true;
  $("columns").classList.remove("pair");
  searchedFor = "";
  view.before.fail(explain(fault));
}

// The text is sent alone: what it names takes the place of an edit of the same attribute.
async function hear({ query, text }, signal) {
  try {
    const answer = await search({ ...query, text, limit: 1, explain: false }, signal);
    signal.throwIfAborted();
    understood(answer);
  } catch (fault) {
    if (signal.aborted) return;
    if (fault.code === "bad_edit") misunderstood(fault);
    else failed(fault);
  }
}

// The edits that the text was understood as become edits of the page.
function understood(answer) {
  const heard = (answer.edits ?? []).filter((edit) => typeof edit.to === "string" || (edit.to && typeof edit.to === "object"));
  const edits = heard.map(({ attribute, to, strength = 1 }) => ({ attribute, to, strength })).reduce(withEdit, state.edits);
  view.panel.understood();
  if (!edits.length) view.panel.misunderstood("These words name nothing that could change.");
  go({ edits, text: "" }, { replace: true });
}

function misunderstood(fault) {
  view.panel.misunderstood(fault.message);
  go({ text: "" }, { replace: true });
}

function lostExample(fault) {
  const edits = state.edits.filter((edit) => !edit.like);
  return {
    title: "An example photo is gone", text: `${fault.message} Uploaded photos expire after a while.`,
    actions: [["Go on without it", () => go({ edits })]],
  };
}

function explain(fault) {
  const again = ["Try again", () => { forget(); show(); }];
  const others = ["Back to the catalogue", () => go({ ...EMPTY })];
  if (fault.status === 404 && state.query?.photo) {
    expired = true;
    return {
      title: "This uploaded photo has expired", text: "The shop keeps uploads for a while only. Upload the photo again to go on; your edits stay.",
      actions: [["Upload it again", () => $("file").click()], others],
    };
  }
  if (fault.status === 404) return { title: "This piece is not in the catalogue", text: fault.message, actions: [others] };
  if (fault.code === "bad_filter") return { title: "A filter does not work", text: fault.message, actions: [["Clear filters", () => go({ where: {} })]] };
  if (fault.code === "bad_edit") return { title: "An edit does not work", text: fault.message, actions: [["Clear the edits", () => go({ edits: [] })]] };
  if (fault.code === "gone") return { title: "The shop does not answer", text: "It may have been stopped, or the network is down.", actions: [again] };
  if (fault.status === 429) return { title: "The shop is busy", text: "Many people search right now. Try again in a moment.", actions: [again] };
  if (fault.status === 401) return { title: "This shop asks for a key", text: "Without a key it shows nothing.", actions: [["Enter a key", again[1]]] };
  return { title: "The search failed", text: fault.message, actions: [again, others] };
}

// ---- the parts ----------------------------------------------------------------------------------

function showHome() {
  controller?.abort();
  searchedFor = "";
  document.title = `${schema.name} · search by photo`;
  view.catalogue.show(state.where, state.shown);
}

function show() {
  if (!schema) return start();
  const searching = Boolean(state.query);
  $("home").hidden = searching;
  $("search").hidden = !searching;
  if (searching) {
    view.catalogue.stop();
    return showSearch();
  }
  return showHome();
}

function openPicker(attribute) {
  photos.stop();
  liking = attribute;
  const choose = (item) => like({ id: item.id });
  let where = {};
  const browse = createCatalogue({
    columns: schema.columns, go: choose, say,
    filtered: (next) => { where = next; browse.show(where, PAGE); },
    extended: (shown) => browse.show(where, shown),
  });
  showPicker(picker, { attribute, catalogue: browse.node, upload: () => $("file").click() });
  browse.show(where, PAGE);
}

function like(example) {
  const strength = state.edits.find((edit) => edit.attribute === liking)?.strength ?? 1;
  const edit = { attribute: liking, like: example, strength };
  picker.close();
  go({ edits: withEdit(state.edits, edit), shown: PAGE });
}

function build() {
  const later = debounce(250, () => showSearch());
  const actions = {
    home,
    upload: () => $("file").click(),
    like: openPicker,
    say: (text) => go({ text, shown: PAGE }),
    change: (edit) => go({ edits: withEdit(state.edits, edit), shown: PAGE }),
    drop: (attribute) => go({ edits: state.edits.filter((edit) => edit.attribute !== attribute), shown: PAGE }),
    clear: () => go({ edits: [], least: 0, shown: PAGE }),
    strength: (attribute, strength) => {
      const edits = state.edits.map((edit) => (edit.attribute === attribute ? { ...edit, strength } : edit));
      go({ edits }, { replace: true });
    },
  };
  const columns = schema.columns ?? [];
  const filtered = (where) => go({ where, shown: PAGE });
  view = {
    counts: null,
    facets: columns.filter((column) => column.kind !== "number" && column.values).map((column) => column.name),
    panel: createPanel($("panel"), schema, actions),
    before: createColumn("before"),
    after: createColumn("after"),
    filters: createFilters(columns, filtered),
    cut: createCut({
      least: (least) => { go({ least, shown: PAGE }, { replace: true, quiet: true }); later(); },
      hide: (hide) => go({ hide }, { replace: true }),
    }),
    catalogue: createCatalogue({ columns, ...cardOptions, filtered, say, extended: (shown) => go({ shown }, { replace: true }) }),
  };
  fill($("catalogue"), view.catalogue.node);
  fill($("tools"), view.filters.node, view.cut.node);
  fill($("columns"), view.before.node, view.after.node);
  $("brand-name").textContent = schema.name;
  $("stock").textContent = count(schema.photos, "piece");
}

async function start() {
  try {
    schema = await loadAttributes();
  } catch (fault) {
    $("home").hidden = false;
    $("search").hidden = true;
    fill($("catalogue"), message({ role: "alert", mark: "!", ...explain(fault) }));
    return;
  }
  build();
  show();
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    toast("Link copied. It leads to this very search.");
  } catch {
    toast(`Copy the address of this page: ${location.href}`);
  }
}

$("copy").addEventListener("click", copyLink);
$("brand").addEventListener("click", home);
$("choose").addEventListener("click", () => $("file").click());
$("more").addEventListener("click", () => go({ shown: state.shown + PAGE }, { replace: true }));
picker.addEventListener("close", () => {
  photos.stop();
  liking = null;
});
window.addEventListener("popstate", () => {
  for (const dialog of [details, picker]) dialog.close();
  photos.stop();
  state = read(location.search);
  show();
});
listen({
  unauthorized: (again) => askKey(keys, again),
  waiting: (seconds) => toast(seconds ? `The shop is busy. Trying again in ${Math.ceil(seconds)} s …` : "", true),
});
const photos = receivePhotos({
  field: $("file"),
  veil: $("veil"),
  busy: (on) => { document.body.classList.toggle("uploading", on); toast(on ? "Reading the photo …" : "", true); },
  take: ({ photo, attributes }) => {
    if (liking) return like({ photo });
    forget();
    go(expired ? { query: { photo } } : from({ photo }));
    arrive();
    return say(`Your photo: ${describe(attributes)}`);
  },
  fail: (text) => {
    const fault = picker.open ? $("picker-fault") : $("upload-fault");
    fault.textContent = text;
    if (!picker.open && state.query) view.panel.misunderstood(text);
    toast(text);
  },
});
start();
