// A document's page: it says when the document has changed under its reader,
// takes picks into the draft as they are made, and has the draft checked while
// it is being written. The page works without it.
"use strict";
{
  const root = document.getElementById("document");
  const form = document.getElementById("decide");
  const field = document.getElementById("draft");
  let touched = root && "mine" in root.dataset;

  // Live: the server says which leaves the document has. Others than those that
  // the page shows: reload it, unless something on it would be lost.
  const shown = new Set([...document.querySelectorAll('input[name="leaf"]')].map((input) => input.value));
  if (root && root.dataset.events && window.EventSource) {
    let source, first = null;
    // A browser has few connections to a server: a page that nobody sees gives
    // its own back, and hears the state of things when it is seen again.
    const listen = () => {
      source?.close();
      if (document.hidden) return;
      source = new EventSource(root.dataset.events);
      source.addEventListener("leaves", heard);
    };
    const heard = (event) => {
      const now = JSON.parse(event.data).leaves;
      if (!shown.size) { // a page without forms: what it was opened with
        if (first === null) { first = now.join(); return; }
        if (first !== now.join()) location.reload();
        return;
      }
      const fresh = now.filter((leaf) => !shown.has(leaf)), gone = [...shown].filter((leaf) => !now.includes(leaf));
      if (!fresh.length && !gone.length) { document.getElementById("changed").hidden = true; return; }
      if (!touched && location.pathname === "/document") { location.reload(); return; }
      const words = [];
      if (fresh.length) words.push(`${count(fresh.length)} new: ${fresh.slice(0, 4).map(short).join(", ")}.`);
      if (gone.length) words.push(`${gone.slice(0, 4).map(short).join(", ")} ${gone.length === 1 ? "is no longer a leaf" : "are no longer leaves"}.`);
      document.getElementById("changed-words").textContent = words.join(" ") + " Nothing will be written over it. Your draft stays.";
      document.getElementById("changed").hidden = false;
    };
    document.addEventListener("visibilitychange", listen);
    addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
    addEventListener("pagehide", () => source?.close());
    listen();
  }
  document.getElementById("look-again")?.addEventListener("click", () => {
    if (!form) { location.reload(); return; }
    // The form is about leaves that are no more: the answer is the document as
    // it is now, with the draft kept.
    form.action = "/document/preview";
    form.requestSubmit();
  });

  const short = (rev) => rev.replace(/^(\d+-.{7}).*$/, "$1");
  const count = (n) => (n === 1 ? "1 leaf is" : `${n} leaves are`);

  if (form && field) {
    const editor = window.couchmendEditor ? window.couchmendEditor(field, { changed, check }) : plain();
    const compose = document.getElementById("compose");
    if (compose) compose.textContent = "Start again from the picks";

    function plain() {
      let due = 0;
      field.addEventListener("input", () => { changed(); clearTimeout(due); due = setTimeout(check, 400); });
      return {
        get: () => field.value, set: (text) => { field.value = text; },
        go: ({ line }) => { const at = field.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1); field.focus(); field.setSelectionRange(at, at); },
      };
    }

    function changed() { touched = true; }

    // The plain field is what is sent.
    form.addEventListener("formdata", (event) => event.formData.set("document", editor.get()));

    async function ask(path, more) {
      const body = new URLSearchParams(new FormData(form));
      for (const name in more) body.set(name, more[name]);
      const answer = await fetch(path, { method: "POST", body, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || answer.statusText);
      return answer.json();
    }

    let asked = 0;
    async function check() {
      const mine = ++asked;
      try {
        const { problems, rule } = await ask("/document/check", {});
        if (mine === asked) tell(problems, rule);
        return problems;
      } catch (error) {
        if (mine === asked) say(String(error.message || error), "bad");
        return [];
      }
    }

    function tell(problems) {
      say(problems.length ? `${problems.length} ${problems.length === 1 ? "problem" : "problems"}` : "Nothing wrong", problems.length ? "bad" : "fine");
      document.getElementById("problems").replaceChildren(...problems.map((problem) => {
        const item = document.createElement("li");
        if (problem.pointer) item.append(Object.assign(document.createElement("code"), { textContent: problem.pointer }), " ");
        item.append(problem.message);
        if (problem.from.line) {
          const go = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: `line ${problem.from.line}` });
          go.addEventListener("click", () => editor.go(problem.from));
          item.append(" ", go);
        }
        return item;
      }));
    }

    function say(words, kind) {
      const verdict = document.getElementById("verdict");
      verdict.textContent = words;
      verdict.className = kind;
    }

    // A pick goes into the draft that there is: what was written by hand stays.
    form.addEventListener("change", async (event) => {
      if (!event.target.matches('input[type="radio"]')) return;
      touched = true;
      try {
        const answer = await ask("/document/compose", { only: event.target.name });
        editor.set(answer.document);
        await check();
      } catch (error) { say(String(error.message || error), "bad"); }
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(document.getElementById("preview")); }
    });
  }
}
