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
