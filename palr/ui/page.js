// Runs once in the page's head: the colour mode, and the small actions inside rendered HTML.
(() => {
  const MODE = "palr-mode";
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem(MODE);
    } catch {
      return null; // storage can be forbidden; the toggle then lasts until the page is left
    }
  };
  let mode = stored();

  const dark = () => (mode ?? (system.matches ? "dark" : "light")) === "dark";

  function paint() {
    document.body.classList.toggle("dark", dark());
    document.documentElement.style.colorScheme = dark() ? "dark" : "light";
    document.querySelectorAll("[data-toggle-mode]").forEach((button) => {
      button.setAttribute("aria-label", dark() ? "Switch to light mode" : "Switch to dark mode");
    });
  }

  function toggleMode() {
    mode = dark() ? "light" : "dark";
    try {
      localStorage.setItem(MODE, mode);
    } catch {
      // see stored()
    }
    paint();
  }

  function toggleRows(button) {
    const table = button.parentElement.querySelector("table");
    const open = table.classList.toggle("all");
    button.setAttribute("aria-expanded", String(open));
    const words = button.dataset.more ?? button.textContent;
    button.dataset.more = words;
    button.textContent = open ? button.dataset.less : words;
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // The clipboard needs https or localhost: select the text, so that Ctrl+C copies it.
      window.getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
  }

  function download(button) {
    const text = document.getElementById(button.dataset.download).textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = button.dataset.filename;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // Gradio patches rendered HTML in place and would shut what a visitor has opened.
  const opened = new Set();
  function keepOpen(summary) {
    const details = summary.parentElement;
    if (!details.dataset.keep) return;
    if (details.open) opened.delete(details.dataset.keep);
    else opened.add(details.dataset.keep);
  }
  function reopen() {
    document.querySelectorAll("details[data-keep]").forEach((details) => {
      const wanted = opened.has(details.dataset.keep);
      if (details.open !== wanted) details.open = wanted;
    });
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, summary");
    if (!target) return;
    if (target.tagName === "SUMMARY") keepOpen(target);
    else if ("toggleMode" in target.dataset) toggleMode();
    else if (target.dataset.expand) toggleRows(target);
    else if (target.dataset.copy) copy(target);
    else if (target.dataset.download) download(target);
    else if (target.id === "recommend") reveal();
  });

  // On a phone the results start below the fold: bring them into view once a run has begun.
  function reveal() {
    if (window.innerWidth > 900 || !document.querySelector(".picks .pick")) return;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.getElementById("results")?.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
  }

  function start() {
    paint();
    // Gradio sets the mode from the system when it mounts; a stored choice comes first.
    new MutationObserver(() => {
      if (document.body.classList.contains("dark") !== dark()) paint();
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    new MutationObserver(() => {
      reopen();
      const unnamed = document.querySelector("[data-toggle-mode]:not([aria-label])");
      if (unnamed) paint();
    }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["open"] });
  }

  // Gradio adds this script to the head itself, which may be after the page was parsed.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  system.addEventListener("change", paint);
})();
