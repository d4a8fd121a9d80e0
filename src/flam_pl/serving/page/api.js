// The HTTP API. Addresses are relative to the page, so that it works behind a prefix.

const BASE = new URL("..", import.meta.url);
const TRIES = 4;
const LONGEST_WAIT = 20; // seconds

export class ShopError extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

let key = sessionStorage.getItem("flam-key") ?? "";
let asking = null;
const listener = { unauthorized: async () => "", waiting: () => {} };
export const listen = (handlers) => Object.assign(listener, handlers);

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const stop = () => { clearTimeout(timer); reject(signal.reason); };
    const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(); }, 1000 * seconds);
    signal?.addEventListener("abort", stop, { once: true });
  });

async function failure(response) {
  const body = await response.json().catch(() => ({}));
  const { code = "invalid", message } = body.error ?? {};
  return new ShopError(code, message ?? `The shop answered ${response.status}.`, response.status);
}

// Several calls that are refused at the same time ask once.
async function askForKey(refused) {
  if (key !== refused) return true;
  asking ??= typedKey(Boolean(refused)).finally(() => { asking = null; });
  const given = await asking;
  if (!given) return false;
  key = given;
  return true;
}

// No shop has a key of other signs: a header cannot carry them.
async function typedKey(again) {
  const given = await listener.unauthorized(again);
  return /^[ -~]*$/.test(given) ? given : typedKey(true);
}

async function request(path, { method = "GET", body, json, signal } = {}) {
  const waited = { seen: false };
  try {
    for (let attempt = 1; ; attempt++) {
      const used = key;
      const headers = { ...(used && { "X-API-Key": used }), ...(json && { "Content-Type": "application/json" }) };
      let response;
      try {
        response = await fetch(new URL(path, BASE), { method, headers, signal, body: json ? JSON.stringify(json) : body });
      } catch (fault) {
        if (fault.name === "AbortError") throw fault;
        throw new ShopError("gone", "The shop does not answer. It may have been stopped, or the network is down.");
      }
      if (response.ok) {
        if (used) sessionStorage.setItem("flam-key", used);
        return response;
      }
      if (response.status === 401 && (await askForKey(used))) continue;
      if (response.status === 429 && attempt < TRIES) {
        const wait = Math.min(Math.max(Number(response.headers.get("Retry-After")) || 1, 0.2), LONGEST_WAIT);
        waited.seen = true;
        listener.waiting(wait);
        await pause(wait, signal);
        continue;
      }
      throw await failure(response);
    }
  } finally {
    if (waited.seen) listener.waiting(0);
  }
}

const answers = new Map(); // the newest answers: going back is instant
const MOST_ANSWERS = 60;

async function answer(path, options) {
  const name = JSON.stringify([path, options?.json]);
  const known = answers.get(name);
  if (known && Date.now() - known.time < 120_000) return known.value;
  const value = await (await request(path, options)).json();
  answers.delete(name);
  answers.set(name, { value, time: Date.now() });
  if (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value);
  return value;
}

export const forget = () => answers.clear();
export const attributes = async (signal) => (await request("v1/attributes", { signal })).json();
export const search = (json, signal) => answer("v1/search", { method: "POST", json, signal });

export function items(where, offset, limit, signal) {
  const asked = new URLSearchParams({ offset, limit });
  for (const [column, wanted] of Object.entries(where)) {
    if (Array.isArray(wanted)) for (const value of wanted) asked.append(column, value);
    else asked.append(column, `${wanted.least ?? ""}..${wanted.most ?? ""}`);
  }
  return answer(`v1/items?${asked}`, { signal });
}

export async function upload(file, signal) {
  const body = new FormData();
  body.append("photo", file, file.name || "photo");
  return (await request("v1/photos", { method: "POST", body, signal })).json();
}

export const itemImage = (id) => `/v1/items/${encodeURIComponent(id)}/image`;
export const photoImage = (hash) => `/v1/photos/${encodeURIComponent(hash)}/image`;

// An <img> sends no key: with a key, its picture is fetched when it comes near the screen.
const near = new IntersectionObserver(
  (seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      request(target.dataset.path).then(async (response) => {
        const address = URL.createObjectURL(await response.blob());
        target.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
        target.src = address;
      }).catch(() => target.dispatchEvent(new Event("error")));
    }
  },
  { rootMargin: "400px" },
);

export function picture(path, alt, size) {
  const inside = String(path ?? "").startsWith("/v1/") ? path.slice(1) : "v1/none";
  const sized = `${inside}${inside.includes("?") ? "&" : "?"}size=${size}`;
  const image = document.createElement("img");
  image.alt = alt;
  image.decoding = "async";
  image.draggable = false;
  image.addEventListener("error", () => image.classList.add("missing"), { once: true });
  image.addEventListener("load", () => image.classList.add("there"), { once: true });
  if (key) {
    image.dataset.path = sized;
    near.observe(image);
  } else {
    image.loading = "lazy";
    image.src = new URL(sized, BASE);
  }
  return image;
}
