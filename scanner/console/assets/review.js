// Keys, claims, blur and the step of video and risk on the pages of the review console.
"use strict";

const typing = (element) => element && element.matches("input:not([type=checkbox], [type=radio]), textarea, select");

// Keys: a control names its key in data-key; a field that a key focuses, in data-focus.

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if ($("dialog[open]")) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (hold(event) || special(event)) return event.preventDefault();
  // In a checkbox browsers let Enter press the first button of its form, which would decide.
  if (event.key === "Enter" && event.target.matches("input")) return event.preventDefault();
  const control = $$("[data-key]").find((one) => one.dataset.key === event.key && !one.disabled && one.offsetParent);
  const field = $$("[data-focus]").find((one) => one.dataset.focus === event.key && one.offsetParent);
  if (control && !event.repeat) { event.preventDefault(); control.click(); }
  else if (field) { event.preventDefault(); field.focus(); }
});

function special(event) {
  if (list.rows().length && list.key(event)) return true;
  const search = $("#search"), category = $("#category");
  if (event.key === "/" && search) { search.focus(); search.select(); return true; }
  if (event.key === "f" && category) { category.focus(); return true; }
  return player.key(event);
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
});

// The queue

const list = {
  current: null,
  rows: () => $$("#rows .item"),
  focus(row) {
    if (!row) return;
    list.current = row.dataset.item;
    $(".open", row).focus();
    row.scrollIntoView({ block: "nearest" });
  },
  index() { return list.rows().findIndex((row) => row.contains(document.activeElement) || row.dataset.item === list.current); },
  key(event) {
    const rows = list.rows(), at = list.index();
    const down = event.key === "j" || event.key === "ArrowDown", up = event.key === "k" || event.key === "ArrowUp";
    if (down || up) { list.focus(rows[Math.min(Math.max(at + (down ? 1 : -1), 0), rows.length - 1)]); return true; }
    if (event.key === "o" || (event.key === "Enter" && (document.activeElement === document.body || document.activeElement.matches("#rows input")))) { $(".open", rows[Math.max(at, 0)]).click(); return true; }
    if (event.key === "x" && rows[Math.max(at, 0)]) { const box = $("input[type=checkbox]", rows[Math.max(at, 0)]); if (box) box.click(); return true; }
    if (event.key === "X") { const boxes = $$("#rows input[type=checkbox]"); const all = boxes.every((box) => box.checked); boxes.forEach((box) => { box.checked = !all; }); list.count(); return true; }
    return false;
  },
  count() {
    const bar = $("#bulk-bar");
    if (!bar) return;
    const number = $$("#rows input[type=checkbox]:checked").length;
    bar.hidden = number === 0;
    $("#bulk-count").textContent = number;
  },
  shown: () => $("#version").dataset.version,
  async load() {
    const box = $("#rows"), chosen = () => $$("input[type=checkbox]:checked", box).length;
    if (chosen()) return true;
    const text = await part(box.dataset.rows);
    if (text === null) return false;
    if (chosen()) return true;
    const before = new Set(list.rows().map((row) => row.dataset.item)), had = box.contains(document.activeElement), current = list.current, place = Math.max(list.index(), 0);
    box.innerHTML = text;
    const fresh = list.rows().filter((row) => !before.has(row.dataset.item)).length;
    if (fresh) $("#announce").textContent = `${fresh} new`;
    if (had) list.focus(list.rows().find((one) => one.dataset.item === current) || list.rows()[Math.min(place, list.rows().length - 1)]);
    return true;
  },
};

if ($("#rows")) {
  document.addEventListener("change", (event) => { if (event.target.matches("#rows input[type=checkbox]")) list.count(); });
  document.addEventListener("focusin", (event) => { const row = event.target.closest("#rows .item"); if (row) list.current = row.dataset.item; });
  follow("/queue/changes", list.shown, list.load, 30000);
  if (document.activeElement === document.body && list.rows().length) $(".open", list.rows()[0]).focus({ preventScroll: true });
}

// The item: blur, greyscale and sound are on until the person asks; asking is recorded first.

const item = $("#item");
const token = item ? { "X-CSRF-Token": item.dataset.csrf } : {};
const post = (path, fields = {}) => fetch(path, { method: "POST", headers: token, body: new URLSearchParams(fields), redirect: "error", signal: AbortSignal.timeout(NO_ANSWER) });
const veil = { blurred: true, grey: true, held: false, hover: false, recorded: null, since: 0, seconds: 0 };

async function recordShown() {
  if (!veil.recorded) {
    progress.wait("Recording that you look …");
    veil.recorded = post(`/review/${item.dataset.item}/shown`).then((answer) => { if (!answer.ok) throw new Error("not recorded"); progress.end(); });
    veil.recorded.catch(() => {
      veil.recorded = null;
      progress.show("It stays blurred: no answer from the service, which has to record first that you look. Ask again.", "alert");
    });
  }
  try { await veil.recorded; return true; } catch { return false; }
}

async function drawVeil() {
  const wanted = !veil.blurred || veil.held || veil.hover;
  const show = wanted && (await recordShown());
  const still = !veil.blurred || veil.held || veil.hover;
  const clear = show && still;
  item.classList.toggle("clear", clear);
  item.classList.toggle("grey", veil.grey);
  if (clear) $$("[data-sharp]", item).forEach((one) => { one.setAttribute(one.tagName === "IMG" ? "src" : "href", one.dataset.sharp); one.removeAttribute("data-sharp"); });
  if (player.video && player.video.src && player.video.currentTime === 0) player.showPoster(!clear);
  if (clear && !veil.since) veil.since = performance.now();
  if (!clear && veil.since) { veil.seconds += (performance.now() - veil.since) / 1000; veil.since = 0; }
  $("#blur").setAttribute("aria-pressed", String(veil.blurred));
  $("#grey").setAttribute("aria-pressed", String(veil.grey));
}

function hold(event) {
  if (!item || event.key !== "b") return false;
  if (!veil.held) { veil.held = true; drawVeil(); }
  return true;
}

// What the buttons set is kept for the next items of the same category.

async function keep(name, on) {
  let kept = false;
  try { kept = (await post(`/review/${item.dataset.item}/view`, { switch: name, value: on ? "on" : "off" })).ok; } catch { /* told below */ }
  $("#kept").textContent = kept ? `Kept for ${item.dataset.category}` : "Not kept: it holds for this page";
}

function wireItem() {
  veil.blurred = item.dataset.blur !== "false";
  veil.grey = item.dataset.grey !== "false";
  drawVeil();
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "b" && veil.held) { veil.held = false; drawVeil(); } });
  window.addEventListener("blur", () => { veil.held = false; drawVeil(); });
  const unblur = $("#unblur");
  unblur.addEventListener("pointerdown", () => { veil.held = true; drawVeil(); });
  for (const name of ["pointerup", "pointerleave", "pointercancel"]) unblur.addEventListener(name, () => { veil.held = false; drawVeil(); });
  item.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse" && event.target.closest(".media") && !veil.hover) { veil.hover = true; drawVeil(); } });
  item.addEventListener("pointerout", (event) => { const to = event.relatedTarget; if (veil.hover && !(to && to.closest && to.closest(".media"))) { veil.hover = false; drawVeil(); } });
  $("#blur").addEventListener("click", () => { veil.blurred = !veil.blurred; drawVeil(); keep("blur", veil.blurred); });
  $("#grey").addEventListener("click", () => { veil.grey = !veil.grey; drawVeil(); keep("greyscale", veil.grey); });
  window.addEventListener("pagehide", () => {
    if (veil.since) veil.seconds += (performance.now() - veil.since) / 1000;
    if (veil.seconds > 0.5) fetch(`/review/${item.dataset.item}/shown`, { method: "POST", headers: token, body: new URLSearchParams({ seconds: veil.seconds.toFixed(1) }), keepalive: true });
  });
  const others = $("#others");
  if (others) others.addEventListener("change", () => { const radio = $("#other"); radio.value = others.value; radio.checked = true; });
}

// A note that was not recorded, because of the session, is there again after signing in.

const note = $("#note"), draft = item ? `note-${item.dataset.item}` : "";
document.addEventListener("refused", () => { if (note && note.value) sessionStorage.setItem(draft, note.value); });
if (note) { note.value = note.value || sessionStorage.getItem(draft) || ""; sessionStorage.removeItem(draft); }

// The clip and the risk below it share one clock, that of the stream.

const player = {
  video: $("#clip"),
  at() { return Number(player.video.dataset.start || 0) + player.video.currentTime; },
  choose(button) {
    const video = player.video;
    video.hidden = false;
    const empty = $("#no-clip");
    if (empty) empty.remove();
    video.dataset.start = button.dataset.start;
    video.dataset.end = button.dataset.end;
    if (button.dataset.poster) video.poster = button.dataset.poster;
    video.src = button.dataset.src;
    $$(".clip-choice").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
  },
  showPoster(wanted) {
    const video = player.video;
    if (!wanted && video.poster) { video.dataset.poster = video.poster; video.removeAttribute("poster"); }
    if (wanted && video.dataset.poster && video.paused) { video.poster = video.dataset.poster; delete video.dataset.poster; }
  },
  seek(at) {
    const video = player.video;
    if (!video || !video.src) return;
    const inside = at >= Number(video.dataset.start) && at <= Number(video.dataset.end);
    const other = inside ? null : $$(".clip-choice").find((one) => at >= Number(one.dataset.start) && at <= Number(one.dataset.end));
    if (other) player.choose(other);
    video.currentTime = Math.max(0, at - Number(video.dataset.start));
    player.mark();
  },
  mark() {
    const box = $("#risk"), head = $("#playhead"), video = player.video;
    if (!box || !head || !video || !video.src) return;
    const start = Number(box.dataset.start), end = Number(box.dataset.end);
    const share = (player.at() - start) / (end - start);
    const plots = $$("svg.plot", box).filter((one) => one.clientHeight || one.getBoundingClientRect().height).map((one) => one.getBoundingClientRect());
    head.hidden = !(share >= 0 && share <= 1) || !plots.length;
    if (head.hidden) return;
    const top = box.getBoundingClientRect().top;
    head.style.left = `${100 * share}%`;
    head.style.top = `${Math.min(...plots.map((one) => one.top)) - top}px`;
    head.style.height = `${Math.max(...plots.map((one) => one.bottom)) - Math.min(...plots.map((one) => one.top))}px`;
  },
  key(event) {
    const video = player.video;
    if (!video || video.hidden || !video.src) return false;
    const moves = { j: -5, l: 5, ",": -1 / 25, ".": 1 / 25 };
    if (event.key === " " && !(document.activeElement && document.activeElement.matches("button, a, summary, input"))) { if (video.paused) video.play(); else video.pause(); return true; }
    if (event.key in moves) { if (Math.abs(moves[event.key]) < 1) video.pause(); video.currentTime = Math.max(0, video.currentTime + moves[event.key]); return true; }
    return false;
  },
};

// Media that does not come: after a break of the connection it is loaded again by a button.

function offerAgain(media) {
  const old = $("#lost");
  if (old) old.remove();
  const note = document.createElement("p"), at = media.currentTime || 0;
  note.id = "lost";
  note.className = "notice warn";
  note.append(`The ${media.tagName === "VIDEO" ? "clip" : "picture"} did not come: the connection is lost, or it is no longer kept. `);
  note.append(button("Load again", () => {
    note.remove();
    if (media.tagName !== "VIDEO") { const name = media.tagName === "IMG" ? "src" : "href"; return media.setAttribute(name, media.getAttribute(name)); }
    media.load();
    media.currentTime = at;
  }));
  $(".stage").after(note);
}

const still = $("#still");
if (still && still.complete && !still.naturalWidth) offerAgain(still);
if (item) item.addEventListener("error", (event) => { if (event.target.matches("img, image")) offerAgain(event.target); }, true);

if (item && player.video) {
  const video = player.video, sound = $("#sound");
  video.muted = item.dataset.mute !== "false";
  if (item.dataset.autoplay === "true") video.autoplay = true;
  const show = () => sound.setAttribute("aria-pressed", String(!video.muted));
  sound.addEventListener("click", () => { video.muted = !video.muted; keep("mute", video.muted); });
  video.addEventListener("volumechange", show);
  for (const name of ["timeupdate", "seeked", "loadedmetadata"]) video.addEventListener(name, player.mark);
  video.addEventListener("error", () => { if (video.src) offerAgain(video); });
  if (video.error) offerAgain(video); // it failed before this script ran
  video.addEventListener("waiting", () => { $("#kept").textContent = "Loading the clip …"; });
  for (const name of ["playing", "canplay"]) video.addEventListener(name, () => { if ($("#kept").textContent.startsWith("Loading")) $("#kept").textContent = ""; });
  show();
}

if (item) {
  wireItem();
  item.addEventListener("click", (event) => {
    const choice = event.target.closest(".clip-choice"), frame = event.target.closest(".frame"), plot = event.target.closest(".risk svg.plot");
    if (choice) player.choose(choice);
    if (frame && frame.dataset.at) player.seek(Number(frame.dataset.at));
    if (plot) {
      const box = $("#risk"), place = plot.getBoundingClientRect(), start = Number(box.dataset.start), end = Number(box.dataset.end);
      player.seek(start + (end - start) * (event.clientX - place.left) / place.width);
    }
  });
}

// The lease is taken when the page is looked at, and renewed while somebody does something there.

const claim = $("#claim");
const IDLE = 180000;
let acted = Date.now();
let renewing = false;
async function renew() {
  const leaving = Boolean(claim.closest("form").dataset.sent); // it may have given the item back
  if (renewing || leaving || document.hidden || Date.now() - acted > IDLE) return;
  renewing = true;
  const slow = setTimeout(() => { if (!claim.children.length) claim.innerHTML = '<p class="tag">Claiming …</p>'; }, SHOWN_AFTER);
  let text = null;
  try {
    const answer = await post(`/review/${item.dataset.item}/claim`);
    if (answer.ok) text = await answer.text();
  } catch { /* told below */ }
  clearTimeout(slow);
  renewing = false;
  if (text === null) {
    claim.innerHTML = '<p class="tag warn">Not claimed yet: no answer</p>';
    setTimeout(renew, AGAIN);
    return;
  }
  if (claim.innerHTML.trim() !== text.trim()) claim.innerHTML = text;
  guard();
}
function guard() {
  const taken = Boolean(claim && $("[data-taken]", claim));
  $$("#decision .verdicts button").forEach((button) => { button.disabled = taken; });
}
if (claim) {
  renew();
  setInterval(renew, 60000);
  const act = () => { const idle = Date.now() - acted > IDLE; acted = Date.now(); if (idle) renew(); };
  for (const name of ["keydown", "pointermove", "pointerdown"]) document.addEventListener(name, act, { passive: true });
  if (player.video) player.video.addEventListener("timeupdate", () => { if (!player.video.paused) act(); });
  document.addEventListener("visibilitychange", renew);
}

// An item changes while it is looked at: an incident that runs grows, a decision is delivered. Parts
// are replaced only if they changed.

const live = $("#live");
const parts = new Map();
function replace(place, text) {
  const before = parts.get(place);
  parts.set(place, text);
  if (before === text || (before === undefined && place.innerHTML.trim() === text)) return;
  const open = $$("details", place).map((one) => one.open), focused = $$("button, summary", place).indexOf(document.activeElement);
  place.innerHTML = text;
  $$("details", place).forEach((one, index) => { if (index in open) one.open = open[index]; });
  if (focused >= 0) ($$("button, summary", place)[focused] || place).focus();
}
async function grow() {
  const text = await part(`/review/${item.dataset.item}/live`);
  if (text === null) return false;
  const box = document.createElement("template");
  box.innerHTML = text;
  live.dataset.version = $("#new-version", box.content).innerHTML;
  for (const one of $$("template[data-for]", box.content)) {
    const place = document.getElementById(one.dataset.for);
    if (!place) continue;
    const pieces = $$("[data-part]", one.content);
    if (!pieces.length) replace(place, one.innerHTML.trim());
    for (const piece of pieces) replace($(`[data-part=${piece.dataset.part}]`, place), piece.innerHTML.trim());
  }
  guard();
  if (claim && !claim.children.length) renew(); // whoever had it gave it back
  const first = $(".clip-choice", live);
  if (player.video && !player.video.getAttribute("src") && first) player.choose(first);
  if (player.video) $$(".clip-choice", live).forEach((one) => one.setAttribute("aria-pressed", String(player.video.src.endsWith(one.dataset.src))));
  drawVeil();
  player.mark();
  return true;
}
if (live) {
  follow(`/review/${item.dataset.item}/changes`, () => live.dataset.version, grow, 0);
}

// Of the next item only the blurred poster is fetched ahead.

if (item && item.dataset.poster) new Image().src = item.dataset.poster;
