// Runs inside Gradio's custom HTML component: element, props, server, watch are its arguments.
// The one truth is props.value = {domain, dataset, picks: [id, ...]}, oldest first; labels are only a
// cache of what the server said. Text from catalogs goes through textContent, never innerHTML.

const DEBOUNCE_MS = 80;
const PATIENCE_MS = 500;
const ref = {};
element.querySelectorAll("[data-ref]").forEach((node) => (ref[node.dataset.ref] = node));

const labels = new Map(); // "domain id" -> {id, label, keywords}
const scenes = new Map(); // domain -> {nouns, personas}
let suggestions = [];
let active = -1;
let moved = false; // whether the arrows chose what is active
let answered = ""; // the query that the suggestions are for
let asked = 0;
let refreshed = 0;
let timer = null;
let undoValue = null;
let dragged = null;

const { noun } = props; // "pick", or "candidate"
const nouns = `${noun}s`;
ref.heading.textContent = nouns[0].toUpperCase() + nouns.slice(1);
ref.picks.setAttribute("aria-label", `${ref.heading.textContent}: ${props.order}`);

const domain = () => props.value.domain;
const picks = () => props.value.picks;
const keyOf = (id) => `${domain()} ${id}`;
const remember = (items) => items.forEach((item) => labels.set(keyOf(item.id), item));
const labelOf = (id) => labels.get(keyOf(id))?.label ?? "…";

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function many(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function announce(text) {
  ref.status.textContent = text;
}

function tell(text, undo = null) {
  undoValue = undo;
  ref.messageText.textContent = text;
  ref.message.hidden = !text;
  ref.undo.hidden = undo === null;
}

function setPicks(ids, said, undo = null) {
  props.value = { ...props.value, picks: ids };
  tell(undo === null ? "" : said, undo);
  announce(said);
  draw();
}

// ---- picks

function add(item) {
  remember([item]);
  const again = picks().includes(item.id);
  const rest = picks().filter((id) => id !== item.id);
  const place = rest.length + 1;
  setPicks([...rest, item.id], again
    ? `${item.label} was there already; it is now the last.`
    : `${item.label} added as ${noun} ${place}.`);
  ref.picks.scrollTop = ref.picks.scrollHeight;
}

function remove(index) {
  const id = picks()[index];
  setPicks(picks().filter((_, i) => i !== index), `${labelOf(id)} removed.`);
  const row = Math.min(index, picks().length - 1);
  if (row >= 0) focusRow(row, "remove");
  else ref.input.focus();
}

function move(from, to, action) {
  if (to < 0 || to >= picks().length || from === to) return;
  const ids = [...picks()];
  const [id] = ids.splice(from, 1);
  ids.splice(to, 0, id);
  setPicks(ids, `${labelOf(id)} is now ${to + 1} of ${ids.length}.`);
  if (action) focusRow(to, action);
}

function focusRow(index, action) {
  const row = ref.picks.children[index];
  const button = row?.querySelector(`[data-action="${action}"]`);
  const target = button?.disabled ? row.querySelector("button:not(:disabled)") : button;
  if (!target) return;
  ref.picks.querySelectorAll("button").forEach((b) => (b.tabIndex = -1));
  row.querySelectorAll("button").forEach((b) => (b.tabIndex = 0));
  target.focus();
}

function actionButton(action, name, disabled) {
  const button = make("button", `glyph glyph-${action}`);
  button.type = "button";
  button.dataset.action = action;
  button.setAttribute("aria-label", name);
  button.title = name;
  button.disabled = disabled;
  return button;
}

function drawRow(id, index) {
  const row = make("li", "pick");
  const last = picks().length - 1;
  row.draggable = true;
  row.classList.toggle("unused", noun === "pick" && index <= last - props.limit);
  row.append(make("span", "pick-number", String(index + 1)));
  row.append(make("span", "pick-label", labelOf(id)));
  const actions = make("span", "pick-actions");
  actions.append(
    actionButton("up", `Move ${labelOf(id)} earlier`, index === 0),
    actionButton("down", `Move ${labelOf(id)} later`, index === last),
    actionButton("remove", `Remove ${labelOf(id)}`, false),
  );
  // Twenty picks would be sixty tab stops: one row is in the tab order, arrows reach the others.
  actions.querySelectorAll("button").forEach((b) => (b.tabIndex = index === last ? 0 : -1));
  row.append(actions);
  return row;
}

function draw() {
  const count = picks().length;
  ref.picks.replaceChildren(...picks().map(drawRow));
  ref.picks.hidden = count === 0;
  ref.count.textContent = count ? String(count) : "";
  ref.clear.hidden = count === 0;
  const { order, limit } = props;
  ref.note.hidden = false;
  ref.note.textContent = count === 0
    ? `No ${nouns} yet.`
    : noun === "pick" && count > limit
      ? `${order} The language model reads the most recent ${limit}.`
      : order;
  drawVisitors();
}

function drawVisitors() {
  const visitors = scenes.get(domain())?.personas ?? [];
  ref.visitors.parentElement.hidden = visitors.length === 0;
  const chosen = JSON.stringify(picks());
  ref.visitors.replaceChildren(...visitors.map((visitor, index) => {
    const button = make("button", "visitor");
    button.type = "button";
    button.dataset.visitor = String(index);
    const same = JSON.stringify(visitor.items.map((item) => item.id)) === chosen;
    button.setAttribute("aria-pressed", String(same));
    button.append(make("span", "visitor-name", visitor.name));
    button.append(make("span", "visitor-blurb", visitor.blurb));
    return button;
  }));
}

// ---- suggestions

function close() {
  suggestions = [];
  active = -1;
  asked += 1;
  ref.popup.hidden = true;
  ref.input.setAttribute("aria-expanded", "false");
  ref.input.removeAttribute("aria-activedescendant");
}

function highlight(index) {
  active = index;
  [...ref.list.children].forEach((node, i) => {
    node.setAttribute("aria-selected", String(i === index));
    if (i === index) node.scrollIntoView({ block: "nearest" });
  });
  if (index >= 0) ref.input.setAttribute("aria-activedescendant", `picker-option-${index}`);
}

function suggest(items, query, otherwise = `Nothing matches “${query}”.`) {
  suggestions = items;
  answered = query;
  moved = false;
  ref.list.replaceChildren(...items.map((item, index) => {
    const option = make("li", "option");
    option.id = `picker-option-${index}`;
    option.setAttribute("role", "option");
    option.dataset.option = String(index);
    option.append(make("span", "option-label", item.label));
    const picked = picks().includes(item.id) ? [noun === "pick" ? "picked" : "in the list"] : [];
    option.append(make("span", "option-keywords", [...picked, ...item.keywords].join(" · ")));
    return option;
  }));
  ref.list.hidden = items.length === 0;
  ref.nothing.hidden = items.length > 0;
  ref.nothing.textContent = items.length ? "" : otherwise;
  ref.popup.hidden = false;
  ref.input.setAttribute("aria-expanded", String(items.length > 0));
  announce(items.length ? `${many(items.length, "suggestion")}.` : otherwise);
  highlight(items.length ? 0 : -1);
}

async function ask(choosing = false) {
  const query = ref.input.value.trim();
  if (!query) return close();
  const mine = ++asked;
  const late = setTimeout(() => {
    if (mine === asked) suggest([], query, "Searching…");
  }, PATIENCE_MS);
  try {
    const answer = await server.search({ ...props.value, picks: [], query });
    if (mine !== asked) return;
    if (answer.error) return fail(answer.error);
    suggest(answer.items, query);
    if (choosing && ref.input.value.trim() === query) choose(0);
  } catch {
    if (mine === asked) fail("The search did not answer. Is the server still running?");
  } finally {
    clearTimeout(late);
  }
}

function fail(message) {
  close();
  tell(message);
}

function choose(index) {
  const item = suggestions[index];
  if (!item) return;
  ref.input.value = "";
  close();
  add(item);
  ref.input.focus();
}

ref.input.addEventListener("input", () => {
  clearTimeout(timer);
  moved = false;
  timer = setTimeout(ask, DEBOUNCE_MS);
});
ref.input.addEventListener("keydown", (event) => {
  const open = suggestions.length > 0;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!open) return void ask();
    const step = event.key === "ArrowDown" ? 1 : suggestions.length - 1;
    highlight((active + step) % suggestions.length);
    moved = true;
  } else if (event.key === "Enter") {
    event.preventDefault();
    // The list may still be that of the first letters: who types on means the best match of all.
    if (open && (moved || answered === ref.input.value.trim())) return void choose(active);
    clearTimeout(timer);
    ask(true);
  } else if (event.key === "Escape") {
    if (ref.popup.hidden) ref.input.value = "";
    close();
  }
});
ref.input.addEventListener("blur", close);
// Keeps the focus in the field, so that blur does not close the list before the click arrives.
ref.popup.addEventListener("pointerdown", (event) => event.preventDefault());
ref.popup.addEventListener("mousedown", (event) => event.preventDefault());
ref.list.addEventListener("click", (event) => {
  const option = event.target.closest("[data-option]");
  if (option) choose(Number(option.dataset.option));
});

// ---- picks: buttons, keys, drag

const rowOf = (node) => [...ref.picks.children].indexOf(node.closest(".pick"));

ref.picks.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (!button) return;
  const index = rowOf(button);
  const { action } = button.dataset;
  if (action === "remove") remove(index);
  else move(index, action === "up" ? index - 1 : index + 1, action);
});
ref.picks.addEventListener("keydown", (event) => {
  const button = event.target.closest("[data-action]");
  if (!button) return;
  const index = rowOf(button);
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (step) {
    event.preventDefault();
    if (event.altKey) move(index, index + step, button.dataset.action);
    else focusRow(index + step, button.dataset.action);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    remove(index);
  }
});
ref.picks.addEventListener("dragstart", (event) => {
  dragged = rowOf(event.target);
  event.dataTransfer.effectAllowed = "move";
  event.target.classList.add("dragging");
});
ref.picks.addEventListener("dragover", (event) => {
  if (dragged !== null) event.preventDefault();
});
ref.picks.addEventListener("drop", (event) => {
  const row = event.target.closest(".pick");
  if (dragged === null || !row) return;
  event.preventDefault();
  move(dragged, rowOf(row), null);
});
ref.picks.addEventListener("dragend", () => {
  dragged = null;
  ref.picks.querySelectorAll(".dragging").forEach((row) => row.classList.remove("dragging"));
});

ref.clear.addEventListener("click", () => {
  const before = picks();
  setPicks([], `${many(before.length, noun)} cleared.`, before);
  ref.undo.focus();
});
ref.undo.addEventListener("click", () => {
  if (undoValue) setPicks(undoValue, `The earlier ${nouns} are back.`);
  ref.input.focus();
});
ref.visitors.addEventListener("click", (event) => {
  const button = event.target.closest("[data-visitor]");
  if (!button) return;
  const visitor = scenes.get(domain()).personas[Number(button.dataset.visitor)];
  const before = picks();
  remember(visitor.items);
  const said = `${visitor.name}: ${many(visitor.items.length, "pick")}.`;
  if (before.length) setPicks(visitor.items.map((item) => item.id), `${said} Yours were replaced.`, before);
  else setPicks(visitor.items.map((item) => item.id), said);
  ref.visitors.children[Number(button.dataset.visitor)]?.focus();
});

// ---- what only the server knows: labels, visitors, wording

async function refresh() {
  const mine = ++refreshed;
  close();
  tell("");
  draw();
  const asking = domain();
  const unknown = picks().filter((id) => !labels.has(keyOf(id)));
  if (scenes.has(asking) && unknown.length === 0) return drawScene();
  try {
    const scene = await server.describe({ ...props.value, picks: unknown });
    // An answer that came late knows nothing of the picks that are here by now.
    if (mine !== refreshed) return;
    if (scene.error) return tell(scene.error);
    scenes.set(asking, scene);
    remember(scene.items);
    const missing = unknown.filter((id) => !labels.has(keyOf(id)));
    drawScene();
    if (missing.length) {
      setPicks(picks().filter((id) => !missing.includes(id)), "");
      tell(`Not in this catalog, and left out: ${many(missing.length, noun)}.`);
    }
  } catch {
    if (mine === refreshed) tell("The catalog did not answer. Is the server still running?");
  }
}

function drawScene() {
  const { nouns: all, example } = scenes.get(domain());
  ref.label.textContent = noun === "pick" ? `Or search ${all}` : `Search ${all} to add one`;
  ref.input.placeholder = example ? `Try “${example}”` : "";
  draw();
}

watch("value", refresh);
refresh();
