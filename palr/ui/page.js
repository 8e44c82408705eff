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

  // What Gradio's markup leaves out: whether a panel is open, and which radio buttons are a group
  // (one stop of the Tab key, arrows inside).
  function mend() {
    document.querySelectorAll("#studio button.label-wrap").forEach((button) => {
      const open = String(button.classList.contains("open"));
      if (button.getAttribute("aria-expanded") !== open) button.setAttribute("aria-expanded", open);
      button.querySelector(".icon")?.setAttribute("aria-hidden", "true");
    });
    document.querySelectorAll("#studio fieldset").forEach((group) => {
      const radios = [...group.querySelectorAll("input[type=radio]")];
      radios.forEach((radio) => {
        if (radio.name !== radios[0].name) radio.name = radios[0].name;
      });
    });
  }

  document.addEventListener("click", (event) => {
    setTimeout(mend);
    const target = event.target.closest("button, summary");
    if (!target) return;
    if (target.tagName === "SUMMARY") keepOpen(target);
    else if ("toggleMode" in target.dataset) toggleMode();
    else if (target.dataset.expand) toggleRows(target);
    else if (target.dataset.copy) copy(target);
    else if (target.id === "recommend") reveal();
  });

  // On a phone the results start below the fold: bring them into view once a run has begun.
  function reveal() {
    if (window.innerWidth > 900 || !document.querySelector("#picker .pick")) return;
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
      mend();
      const unnamed = document.querySelector("[data-toggle-mode]:not([aria-label])");
      if (unnamed) paint();
    }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["open"] });
  }

  // Gradio adds this script to the head itself, which may be after the page was parsed.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  system.addEventListener("change", paint);
})();
