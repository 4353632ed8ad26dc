// What the console does beyond plain pages and forms: it keeps them up to date
// and lets the keyboard walk through lists. Every page works without it.
"use strict";

// Live: the server says that something has changed; the page is fetched anew,
// and its elements with data-live take the places of the old ones.
const from = document.body.dataset.liveFrom;
if (from && window.EventSource) {
  const state = document.getElementById("live-state");
  let source, due = 0, busy = false, last = 0;
  // A browser has few connections to a server: a page that nobody sees gives its
  // own back, and is fetched anew when it is seen again.
  function listen() {
    source?.close();
    if (document.hidden) return;
    source = new EventSource(from);
    source.onopen = () => { state.hidden = false; state.classList.add("on"); state.title = "Live"; };
    source.onerror = () => { state.classList.remove("on"); state.title = "Not connected"; };
    source.addEventListener("board", (event) => {
      const detail = JSON.parse(event.data);
      document.dispatchEvent(new CustomEvent("board", { detail }));
      refreshSoon();
    });
  }
  listen();
  document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) refreshSoon(); });
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  addEventListener("pagehide", () => source?.close());

  function refreshSoon() {
    // What answers a form is no page that can be asked for again.
    if (document.body.dataset.method !== "GET" || !document.querySelector("[data-live]")) return;
    clearTimeout(due);
    due = setTimeout(refresh, Math.max(300, last + 2000 - Date.now()));
  }

  async function refresh() {
    if (document.hidden) { due = setTimeout(refresh, 2000); return; }
    if (busy) return refreshSoon();
    busy = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { "X-Couchmend-Fresh": "1" } });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const now = fresh.getElementById(old.id);
        if (now && now.innerHTML !== old.innerHTML) replace(old, now);
      }
    } finally { busy = false; }
  }

  // What a person has marked, and where they are, survives.
  function replace(old, now) {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    if (active && active.matches("input:not([type=checkbox]), textarea, select")) return;
    const marked = new Set([...old.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value));
    const cursor = old.querySelector("tr.cursor")?.dataset.key;
    const open = new Set([...old.querySelectorAll("details[open][id]")].map((d) => d.id));
    now = document.importNode(now, true);
    for (const box of now.querySelectorAll("input[type=checkbox]")) box.checked = marked.has(box.value);
    for (const d of now.querySelectorAll("details[id]")) d.open = open.has(d.id);
    for (const row of now.querySelectorAll("tr[data-key]")) row.classList.toggle("cursor", row.dataset.key === cursor);
    old.replaceWith(now);
    if (active && active.id) document.getElementById(active.id)?.focus();
    else if (active) now.querySelector("tr.cursor a")?.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("fresh", { detail: now }));
  }
}

// Keys: j, k, Enter and x in the list, / for the search, g then a letter for a
// page, ? for help. Not while somebody types.
const help = document.getElementById("help");
const helpButton = document.getElementById("help-button");
if (helpButton) { helpButton.hidden = false; helpButton.onclick = () => help.showModal(); }
let going = 0;
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog")) return;
  const key = event.key;
  if (Date.now() - going < 1500) {
    const to = { o: "/", c: "/cases", h: "/history", p: "/policies" }[key];
    going = 0;
    if (to) { event.preventDefault(); location.href = to; return; }
  }
  const done = keys[key]?.(event);
  if (done) event.preventDefault();
});

const rows = () => [...document.querySelectorAll("table.list tbody tr[data-key]")];
function move(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.findIndex((row) => row.classList.contains("cursor"));
  all[at]?.classList.remove("cursor");
  const row = all[Math.max(0, Math.min(all.length - 1, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
  row.classList.add("cursor");
  row.scrollIntoView({ block: "nearest" });
  (row.querySelector("a") || row).focus({ preventScroll: true });
  return true;
}
const keys = {
  j: () => move(1),
  k: () => move(-1),
  x: () => { const box = document.querySelector("tr.cursor input[type=checkbox]"); box?.click(); return !!box; },
  Enter: (event) => { const link = document.querySelector("tr.cursor a"); if (!link || event.target.closest("a, button")) return false; link.click(); return true; },
  "/": () => { const field = document.querySelector("[data-search]"); field?.focus(); field?.select?.(); return !!field; },
  g: () => { going = Date.now(); return true; },
  "?": () => { help?.showModal(); return true; },
};

// A box in a list's head marks all rows; forms that act on marked rows say how
// many there are.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]"))
    for (const box of document.querySelectorAll(`input[name="${event.target.dataset.all}"]`)) box.checked = event.target.checked;
  // A filter applies when it is chosen; its button is for who has no script.
  if (event.target.matches("form[data-auto] select, form[data-auto] input[type=checkbox]")) event.target.form.requestSubmit();
  count();
});
document.addEventListener("fresh", count);
function count() {
  const n = document.querySelectorAll("tbody input[type=checkbox]:checked").length;
  for (const out of document.querySelectorAll("[data-marked]")) out.textContent = n ? `${n} marked` : "";
}
