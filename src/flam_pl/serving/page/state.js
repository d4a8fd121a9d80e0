// The state of the page <-> its address. A link reproduces the search.
//
//   ?id=1234&edit=color:to:red:0.7&edit=pattern:id:99&filter=gender:is:Women&filter=price:to:50&least=0.5&hide=1&n=48
//
// Parts between colons are percent-encoded, since a name can hold a colon.

export const PAGE = 24;
const MOST = 20 * PAGE;

export const EMPTY = Object.freeze({ query: null, edits: [], text: "", where: {}, least: 0, hide: false, shown: PAGE });

const join = (...parts) => parts.map((part) => encodeURIComponent(part)).join(":");

function split(text) {
  try {
    return text.split(":").map(decodeURIComponent);
  } catch {
    return [];
  }
}

const share = (text, otherwise) => {
  const value = text === undefined || text === null || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(Math.max(value, 0), 1) : otherwise;
};

function editOf(text) {
  const [attribute, kind, value, strength] = split(text);
  if (!attribute || !value) return null;
  const edit = { attribute, strength: share(strength, 1) };
  if (kind === "to") return { ...edit, to: value };
  if (kind === "id" || kind === "photo") return { ...edit, like: { [kind]: value } };
  if (kind !== "mix") return null;
  const pairs = value.split("+").map(split).filter(([name, weight]) => name && Number(weight) > 0);
  return pairs.length ? { ...edit, to: Object.fromEntries(pairs.map(([name, weight]) => [name, Number(weight)])) } : null;
}

function textOf({ attribute, to, like, strength }) {
  const last = strength === 1 ? [] : [strength];
  if (like) return join(attribute, ...Object.entries(like)[0], ...last);
  if (typeof to === "string") return join(attribute, "to", to, ...last);
  return join(attribute, "mix", Object.entries(to).map((pair) => join(...pair)).join("+"), ...last);
}

function whereOf(filters) {
  const where = {};
  for (const text of filters) {
    const [column, kind, value] = split(text);
    if (!column || value === undefined) continue;
    if (kind === "is") where[column] = [...(Array.isArray(where[column]) ? where[column] : []), value];
    const bound = { from: "least", to: "most" }[kind];
    if (bound && value !== "" && Number.isFinite(Number(value))) {
      where[column] = { ...(Array.isArray(where[column]) ? {} : where[column]), [bound]: Number(value) };
    }
  }
  return where;
}

// One edit per attribute: the last one counts.
export function withEdit(edits, edit) {
  const known = edits.some((other) => other.attribute === edit.attribute);
  return known ? edits.map((other) => (other.attribute === edit.attribute ? edit : other)) : [...edits, edit];
}

export function read(address) {
  const given = new URLSearchParams(address);
  const id = given.get("id");
  const photo = given.get("photo");
  return {
    query: id ? { id } : photo ? { photo } : null,
    edits: given.getAll("edit").map(editOf).filter(Boolean).reduce(withEdit, []),
    text: given.get("text") ?? "",
    where: whereOf(given.getAll("filter")),
    least: share(given.get("least"), 0),
    hide: given.get("hide") === "1",
    shown: Math.min(Math.max(PAGE, Math.ceil((Number(given.get("n")) || 0) / PAGE) * PAGE), MOST),
  };
}

export function address(state) {
  const parts = new URLSearchParams();
  for (const [kind, value] of Object.entries(state.query ?? {})) parts.append(kind, value);
  for (const edit of state.edits) parts.append("edit", textOf(edit));
  if (state.text) parts.append("text", state.text);
  for (const [column, wanted] of Object.entries(state.where)) {
    if (Array.isArray(wanted)) for (const value of wanted) parts.append("filter", join(column, "is", value));
    else {
      if (wanted.least !== undefined) parts.append("filter", join(column, "from", wanted.least));
      if (wanted.most !== undefined) parts.append("filter", join(column, "to", wanted.most));
    }
  }
  if (state.least) parts.append("least", state.least);
  if (state.hide) parts.append("hide", "1");
  if (state.shown > PAGE) parts.append("n", state.shown);
  const text = parts.toString().replaceAll("%3A", ":");
  return text ? `?${text}` : location.pathname;
}

export const wanted = (edit) => {
  if (edit.like) return "like another photo";
  return typeof edit.to === "string" ? edit.to : Object.keys(edit.to).join(" + ");
};
