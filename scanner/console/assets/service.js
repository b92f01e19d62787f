// What a page asks of the service: it sends forms, follows changes, and says so when no answer comes.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const SHOWN_AFTER = 300; // milliseconds after which something that takes its time is named
const NO_ANSWER = 20000; // milliseconds after which a request is given up
const AGAIN = 5000;

// One line at the bottom of the window: what is under way, or what failed and how to repeat it.

const progress = {
  box: null,
  timer: 0,
  show(text, role, controls = []) {
    clearTimeout(progress.timer);
    if (!progress.box) {
      progress.box = document.createElement("div");
      document.body.append(progress.box);
    }
    const line = document.createElement("span");
    line.textContent = text;
    progress.box.className = role === "alert" ? "progress alarm" : "progress";
    progress.box.setAttribute("role", role);
    progress.box.replaceChildren(line, ...controls);
    progress.box.hidden = false;
  },
  wait(text) {
    clearTimeout(progress.timer);
    progress.timer = setTimeout(() => progress.show(text, "status"), SHOWN_AFTER);
  },
  fail(text, ...controls) {
    progress.show(text, "alert", [...controls, button("Close", () => progress.end())]);
    $("a, button", progress.box).focus();
  },
  end() {
    clearTimeout(progress.timer);
    if (progress.box) progress.box.hidden = true;
  },
};

function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

function link(text, address) {
  const made = document.createElement("a");
  made.className = "button";
  made.textContent = text;
  made.href = address;
  return made;
}

const here = () => location.pathname + location.search;
const signIn = () => link("Sign in", `/login?next=${encodeURIComponent(here())}`);

// A form is sent once at a time. If no answer comes, it is not known whether it arrived; to send it
// again is safe, because the service records the same decision of one person once.

document.addEventListener("submit", (event) => {
  const form = event.target, pressed = event.submitter;
  if (form.method !== "post") return;
  if (form.dataset.whole !== undefined) return progress.wait(form.dataset.whole);
  event.preventDefault();
  send(form, pressed);
});

async function send(form, pressed) {
  if (form.dataset.sent) return;
  form.dataset.sent = "1";
  if (pressed) pressed.setAttribute("aria-busy", "true");
  progress.wait("Sending …");
  const path = (pressed && pressed.getAttribute("formaction")) || form.getAttribute("action");
  const failed = (text, ...controls) => {
    delete form.dataset.sent;
    if (pressed) pressed.removeAttribute("aria-busy");
    progress.fail(text, ...controls);
  };
  const again = button("Try again", () => { progress.end(); send(form, pressed); });
  let answer, told;
  try {
    answer = await fetch(path, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, pressed)),
      headers: { Accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(NO_ANSWER),
    });
    told = await answer.json();
  } catch {
    return failed("No answer from the service. If you try again, nothing is recorded twice.", again);
  }
  if (answer.ok) {
    if (new URL(told.next, location).searchParams.has("refused")) document.dispatchEvent(new CustomEvent("refused"));
    progress.wait("Done. Opening the next page …");
    return location.assign(told.next);
  }
  document.dispatchEvent(new CustomEvent("refused"));
  if (answer.status === 401) return failed("You are signed out. Nothing was recorded.", signIn());
  if (answer.status === 403) return failed(`Nothing was recorded: ${told.detail}`, link("Reload", here()));
  return failed(`Nothing was recorded: ${told.detail || told.title}`, again);
}

document.addEventListener("click", (event) => {
  const to = event.target.closest("main a[href]");
  if (to && !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.shiftKey) progress.wait("Opening …");
});
window.addEventListener("pageshow", () => {
  progress.end();
  $$("form[data-sent]").forEach((form) => delete form.dataset.sent);
  $$("[aria-busy]").forEach((one) => one.removeAttribute("aria-busy"));
});

// Reads a part of a page; null if there is no answer, or none for this person.

let signedOut = false;

async function part(path) {
  try {
    const answer = await fetch(path, { redirect: "manual", signal: AbortSignal.timeout(NO_ANSWER) });
    signedOut = answer.type === "opaqueredirect"; // all that redirects a part is the sign-in
    stale(signedOut ? "signed-out" : answer.ok ? "" : "no-answer");
    return answer.ok ? await answer.text() : null;
  } catch {
    stale("no-answer");
    return null;
  }
}

function stale(why) {
  const box = $("#stale");
  if (!box) return;
  box.hidden = !why;
  $$("[data-why]", box).forEach((one) => { one.hidden = one.dataset.why !== why; });
}

// A page that is looked at hears of changes, and then loads the part that changed, one request at a
// time, until it has it. The service is heard at least every 15 s; a connection that is silent for
// longer is opened again.

const SILENT = 40000;
function follow(path, shown, load, every) {
  let source = null, loading = false, wanted = false, heard = Date.now();
  async function update() {
    wanted = true;
    if (loading) return;
    loading = true;
    try {
      while (wanted && !document.hidden) {
        wanted = false;
        if (!(await load()) && !signedOut) { setTimeout(update, AGAIN); break; }
      }
    } finally { loading = false; }
  }
  function hear() { heard = Date.now(); }
  function open() {
    if (source || document.hidden || signedOut) return;
    source = new EventSource(path);
    hear();
    source.addEventListener("alive", hear);
    source.addEventListener("open", hear);
    source.addEventListener("version", (event) => { hear(); stale(""); if (event.data !== shown()) update(); });
    source.addEventListener("error", () => {
      if (!source || source.readyState !== EventSource.CLOSED) return stale("no-answer");
      close();
      update();
    });
  }
  function close() { if (source) source.close(); source = null; }
  document.addEventListener("visibilitychange", () => {
    signedOut = false;
    if (document.hidden) return close();
    open();
    update();
  });
  // An answer that was under way still arrives after "offline": only a new request tells.
  for (const name of ["offline", "online"]) window.addEventListener(name, () => { close(); open(); update(); });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  setInterval(() => { if (source && Date.now() - heard > SILENT) { stale("no-answer"); close(); } open(); }, AGAIN);
  if (every) setInterval(update, every);
  open();
}
