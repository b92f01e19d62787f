"use strict";

function show(button, sharp) {
  button.querySelector("img").src = sharp ? button.dataset.sharp : button.dataset.blurred;
  button.querySelector(".hint").textContent = sharp ? "Blur again" : "Show without blur";
  button.setAttribute("aria-pressed", String(sharp));
}

const sheets = document.querySelectorAll("button.sheet");
for (const button of sheets) {
  button.disabled = false;
  button.addEventListener("click", () => show(button, button.getAttribute("aria-pressed") !== "true"));
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const button of sheets) show(button, false);
  for (const video of document.querySelectorAll("video")) video.load();
});

// The filter hides rows of the overview together with the sections of their paths.
const filter = document.querySelector(".filter");
if (filter) {
  const search = filter.querySelector("input");
  const buttons = filter.querySelectorAll("button");
  const parts = document.querySelectorAll("[data-groups]");
  const rows = document.querySelectorAll("tr[data-groups]");

  function apply() {
    const group = filter.querySelector("[aria-pressed=true]").dataset.group;
    const text = search.value.toLowerCase();
    for (const part of parts) {
      const fits = !group || part.dataset.groups.split(" ").includes(group);
      part.hidden = !fits || !part.dataset.path.toLowerCase().includes(text);
    }
    const shown = [...rows].filter((row) => !row.hidden).length;
    filter.querySelector(".shown").textContent = shown < rows.length ? `${shown} of ${rows.length} paths shown` : "";
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      apply();
    });
  }
  search.addEventListener("input", apply);
  filter.hidden = false;
  apply();
}
