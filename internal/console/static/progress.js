// Shows how far something is that runs on the server: an element's
// data-progress names where that is told, as JSON; when it is not what
// data-state says any more, the page is loaded anew. Without scripts the page
// reloads itself.
"use strict";

const watched = document.querySelector("[data-progress]");
if (watched) {
  const look = async () => {
    const answer = await fetch(watched.dataset.progress, { headers: { "X-Couchmend-Fresh": "1" } });
    if (!answer.ok) return location.reload();
    const now = await answer.json();
    if (now.state !== watched.dataset.state) return location.reload();
    for (const one of now.searched || []) {
      const bar = [...watched.querySelectorAll("progress")].find((p) => p.dataset.db === one.db);
      if (!bar) return location.reload();
      bar.max = one.total;
      bar.value = one.done;
      bar.nextElementSibling.textContent = `${one.done} of ${one.total} documents`;
    }
    again();
  };
  const again = (wait = 700) => setTimeout(() => look().catch(() => again(3000)), wait);
  again(300);
}
