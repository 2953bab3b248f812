"use strict";
const main = () => document.getElementById("main");
const news = text => { const line = document.getElementById("news"); if (line.textContent !== text) line.textContent = text; };

// Whoever reads with the keyboard, or marks some of it, keeps the place.
const isBusy = () => document.hidden || main().contains(document.activeElement) || !getSelection().isCollapsed;

async function refresh() {
  if (!isBusy()) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      main().replaceWith(page.getElementById("main"));
      document.title = page.title;
      document.documentElement.dataset.refreshed = Number(document.documentElement.dataset.refreshed || 0) + 1;
      news("");
    } catch {
      news("No answer: what stands here is no longer true.");
    }
  }
  setTimeout(refresh, 5000);
}
setTimeout(refresh, 5000);
