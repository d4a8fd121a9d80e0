// Photos of the visitor: chosen, dropped, pasted.

import { upload } from "./api.js";

const isPhoto = (file) => file.type.startsWith("image/") || file.type === "";

// `take(answer)` gets the uploaded photo; `fail(text)` a refusal; `busy(on)` frames the upload. `stop()` ends an upload.
export function receivePhotos({ field, veil, take, fail, busy }) {
  let controller = null;

  function stop() {
    if (!controller) return;
    controller.abort();
    controller = null;
    busy(false);
  }

  async function send(files) {
    const file = [...files].find(isPhoto);
    if (!file) return fail("That is not a photo. JPEG, PNG and WebP work.");
    stop();
    controller = new AbortController();
    const { signal } = controller;
    busy(true);
    const [answer, fault] = await upload(file, signal).then((found) => [found], (error) => [null, error]);
    if (signal.aborted) return;
    controller = null;
    busy(false);
    if (answer) take(answer);
    else fail(fault.message);
  }

  field.addEventListener("change", () => {
    if (field.files.length) send(field.files);
    field.value = "";
  });
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    send(event.clipboardData.files);
  });
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0;
  const lift = (on) => { depth = on ? depth : 0; veil.hidden = !on; };
  document.addEventListener("dragenter", (event) => { if (carries(event)) { depth++; lift(true); } });
  document.addEventListener("dragleave", (event) => { if (carries(event) && --depth <= 0) lift(false); });
  document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    lift(false);
    if (!carries(event)) return;
    event.preventDefault();
    send(event.dataTransfer.files);
  });
  return { stop };
}
