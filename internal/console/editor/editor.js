// The console's JSON editor: CodeMirror in place of a plain text field. It is
// made in a shadow root, since CodeMirror adds styles of its own: to a shadow
// root it adds them as constructed sheets, which the Content-Security-Policy
// lets through, and to a document as a <style>, which it does not.
import { basicSetup, EditorView } from "codemirror";
import { json } from "@codemirror/lang-json";
import { HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { linter, lintGutter } from "@codemirror/lint";
import { tags } from "@lezer/highlight";

const look = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--surface)", fontSize: "13px", height: "100%" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--ink)", padding: "8px 0" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-1px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--accent-soft)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--dim)", border: "none" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--sunken) 60%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--line)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--sunken)", border: "1px solid var(--line)", color: "var(--dim)" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--surface)", color: "var(--ink)", border: "1px solid var(--strong-line)" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  // CodeMirror draws these two as data: URLs, which the policy lets not in.
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-lint-marker-error": { content: "none", borderRadius: "50%", backgroundColor: "var(--bad)", width: "8px", height: "8px", margin: "5px 2px 0" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "none" },
});
const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
]);

// couchmendEditor puts an editor in the place of a textarea. on.changed is
// called when a person has written something, on.check to learn what is wrong:
// it resolves to problems with {message, from: {line, column}, to}.
window.couchmendEditor = (field, on) => {
  const host = document.createElement("div");
  host.className = "codemirror";
  field.after(host);
  const root = host.attachShadow({ mode: "open" });
  let setting = false;
  const at = (doc, place, otherwise) => {
    if (!place.line || place.line > doc.lines) return otherwise;
    const line = doc.line(place.line);
    return Math.min(line.from + place.column - 1, line.to);
  };
  const check = linter(async (view) => {
    const problems = await on.check();
    const doc = view.state.doc;
    return problems.map((problem) => {
      const from = at(doc, problem.from, 0);
      return { from, to: Math.max(from, at(doc, problem.to, from)), severity: "error", message: problem.message };
    });
  }, { delay: 400 });
  const view = new EditorView({
    root, parent: root, doc: field.value,
    extensions: [
      basicSetup, json(), indentUnit.of("  "), look, syntaxHighlighting(colours), lintGutter(), check, EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "The document as it will be", id: "editor", spellcheck: "false" }),
      EditorView.updateListener.of((update) => { if (update.docChanged && !setting) on.changed(); }),
    ],
  });
  field.hidden = true;
  return {
    get: () => view.state.doc.toString(),
    set: (text) => {
      setting = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      setting = false;
    },
    go: (place) => {
      view.dispatch({ selection: { anchor: at(view.state.doc, place, 0) }, scrollIntoView: true });
      view.focus();
    },
  };
};
