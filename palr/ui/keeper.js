// What the browser keeps: the link to this page, picks across a reload, and the runs of this
// browser. Runs inside Gradio's custom HTML component: element, props, trigger are its arguments.
// Text from files and catalogs goes through textContent, never innerHTML.

const RUNS = "palr-runs";
const LAST = "palr-page";
const MOST_RUNS = 20;
const MOST_CHARACTERS = 2_000_000;
const REFUSED = "This browser stores nothing for this page. The list is lost when you leave it.";

// Storage can be forbidden, or full; then the page remembers until it is left.
function store(name, key) {
  let memory = null;
  return {
    read() {
      try {
        return window[name].getItem(key) ?? memory;
      } catch {
        return memory;
      }
    },
    write(text) {
      memory = text;
      try {
        window[name].setItem(key, text);
        return true;
      } catch {
        return false;
      }
    },
  };
}
const runsStore = store("localStorage", RUNS);
const pageStore = store("sessionStorage", LAST);

function runs() {
  try {
    const kept = JSON.parse(runsStore.read() ?? "[]");
    return kept.filter((run) => typeof run?.id === "string" && typeof run.text === "string");
  } catch {
    return [];
  }
}

function keep(list) {
  let kept = list.slice(0, MOST_RUNS);
  while (JSON.stringify(kept).length > MOST_CHARACTERS) kept = kept.slice(0, -1);
  if (!runsStore.write(JSON.stringify(kept))) say(REFUSED);
  drawRuns();
}

function say(text) {
  const status = document.querySelector("[data-runs-said]");
  if (status) status.textContent = text;
}

// ---- to the server: a trace, or the picks and settings of a link

let sent = 0;
function restore(text) {
  if (text.length > props.limit) {
    say("That file is too large for the page: python -m palr replay reads it.");
    return;
  }
  // Spaces change nothing, but the same file twice is a new value.
  sent += 1;
  props.value = text + " ".repeat(sent % 8);
  trigger("submit");
}

function fromLink(words) {
  const asked = new URLSearchParams(words);
  if (!asked.has("picks") || !asked.has("domain")) return null;
  const picks = asked.get("picks").split(",").filter(Boolean);
  const told = { format: "palr-link", picks, lost: lost.read() === "yes" };
  lost.write("");
  return JSON.stringify({ ...Object.fromEntries(asked), ...told });
}

const link = () => document.querySelector("#link [data-link]")?.dataset.link ?? "";

// ---- what the server wrote into the page

const current = (id) => document.getElementById(id)?.textContent ?? "";

let remembered = ""; // the run that was looked at last: the page changes often, the run seldom
function remember() {
  const { id, label } = document.getElementById("run-file")?.dataset ?? {};
  if (!id || id === remembered) return;
  remembered = id;
  const known = runs();
  if (known.some((run) => run.id === id)) return;
  const compact = JSON.stringify(JSON.parse(current("run-file")));
  if (compact.length <= props.limit) keep([{ id, label, at: Date.now(), text: compact }, ...known]);
}

function button(words, name, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.textContent = words;
  made.setAttribute("aria-label", name);
  made.addEventListener("click", act);
  return made;
}

function drawRuns() {
  const list = document.querySelector("[data-runs-list]");
  if (!list) return;
  const kept = runs();
  list.dataset.drawn = "yes";
  list.replaceChildren(...kept.map((run) => {
    const row = document.createElement("li");
    const words = document.createElement("span");
    const when = new Date(run.at).toLocaleString();
    words.textContent = `${run.label}, ${when}`;
    row.append(
      words,
      button("Open", `Open ${run.label}, ${when}`, () => {
        say("Opened a run of this browser.");
        restore(run.text);
      }),
      button("Delete", `Delete ${run.label}, ${when}`, () => {
        keep(runs().filter((other) => other.id !== run.id));
        say("Deleted.");
        (list.querySelector("button") ?? document.querySelector("[data-runs-open]"))?.focus();
      }),
    );
    return row;
  }));
  document.querySelector("[data-runs-none]").hidden = kept.length > 0;
  document.querySelector("[data-runs-clear]").hidden = kept.length === 0;
}

// ---- buttons and files; the panel appears when it is first opened

function save(id, type, name) {
  const text = current(id);
  if (!text) return say("Run a recommendation first: this saves its results.");
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(new Blob([text], { type }));
  anchor.download = `palr-${document.getElementById("run-file").dataset.id}.${name}`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  say("Saved.");
}

async function share() {
  const field = document.querySelector("[data-runs-address]");
  field.value = `${location.origin}${location.pathname}#${link()}`;
  field.hidden = false;
  try {
    await navigator.clipboard.writeText(field.value);
    say("The link is copied.");
  } catch {
    say("Copy the link from the field.");
  }
  field.focus();
  field.select();
}

document.addEventListener("click", (event) => {
  const pressed = event.target.closest?.("[data-runs]")?.dataset.runs;
  if (pressed === "json") save("run-file", "application/json", "json");
  else if (pressed === "report") save("run-report", "text/markdown", "md");
  else if (pressed === "share") share();
  else if (pressed === "open") document.querySelector("[data-runs-file]").click();
  else if (pressed === "clear") {
    keep([]);
    say("All runs are deleted from this browser.");
    document.querySelector("[data-runs-open]")?.focus();
  }
});
// UTF-8, UTF-16, or what Windows wrote before, as `palr.files.decoded` tells them apart.
async function textOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || second === 0) return decode("utf-16le", bytes);
  if ((first === 0xfe && second === 0xff) || first === 0) return decode("utf-16be", bytes);
  try {
    return decode("utf-8", bytes);
  } catch {
    return decode("windows-1252", bytes);
  }
}

function decode(encoding, bytes) {
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}

document.addEventListener("change", async (event) => {
  if (!event.target.matches?.("[data-runs-file]") || !event.target.files.length) return;
  const [file] = event.target.files;
  event.target.value = "";
  try {
    say("");
    restore(file.size > 4 * props.limit ? " ".repeat(props.limit + 1) : await textOf(file));
  } catch {
    say("The file cannot be read.");
  }
});

function look() {
  remember();
  const list = document.querySelector("[data-runs-list]");
  if (list && !list.dataset.drawn) drawRuns();
  if (link()) pageStore.write(link());
}
new MutationObserver(look).observe(document.body, { childList: true, subtree: true });

// An event that is triggered while Gradio still mounts the page can get lost: the picker has come
// first, and what brought no picks is sent once more.
function whenReady(act, tries = 100) {
  if (document.querySelector(".visitor, .combo-box input[placeholder]") || !tries) setTimeout(act);
  else setTimeout(whenReady, 100, act, tries - 1);
}

const lost = store("sessionStorage", "palr-lost"); // connection.js writes it
const asked = fromLink(location.hash.slice(1)) ?? fromLink(pageStore.read() ?? "");
if (location.hash.includes("picks=")) history.replaceState(null, "", location.pathname);
if (asked) {
  whenReady(() => {
    restore(asked);
    setTimeout(() => link() || restore(asked), 2000);
  });
}
