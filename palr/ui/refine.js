// Runs inside Gradio's custom HTML component: element, props, server, watch, trigger are its
// arguments. The one truth is props.value, the JSON of a refinement; a change submits it. The
// buttons that act on it stand in the stages too, as [data-refine] with what they act on.
// Text from catalogs and visitors goes through textContent, never innerHTML.

const MAX_WORDS = 1000;
const MAX_PROFILE = 1000;
const SIGNS = { more: "+", less: "−", liked: "+", disliked: "−" };
const OTHER = { more: "less", less: "more", liked: "disliked", disliked: "liked" };
const SAID = {
  more: (name) => `More ${name}`,
  less: (name) => `Less ${name}`,
  liked: (name) => `More like ${name}`,
  disliked: (name) => `Less like ${name}`,
  seen: (name) => `Seen: ${name}`,
};
const NONE = {
  more: [], less: [], years: null, popularity: 0, variety: 0, seen: [], liked: [], disliked: [],
  words: "", strength: 0.5,
};
const ref = {};
element.querySelectorAll("[data-ref]").forEach((node) => (ref[node.dataset.ref] = node));

const labels = new Map(); // "domain id" -> label
const scenes = new Map(); // domain -> {years, popularity, weight, example}
const sources = new Map(); // "side value" -> the words that it was read from
let described = 0;
let asking = 0;

const value = () => JSON.parse(props.value);
const wish = () => ({ ...NONE, ...value().wish });
const unseen = { years: null, popularity: true, weight: 0, example: "" };
const scene = () => scenes.get(value().domain) ?? unseen;
const labelOf = (id) => labels.get(`${value().domain} ${id}`) ?? "…";
const remember = (found) => Object.entries(found)
  .forEach(([id, label]) => labels.set(`${value().domain} ${id}`, label));

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function button(className, text, name) {
  const node = make("button", className, text);
  node.type = "button";
  node.setAttribute("aria-label", name);
  node.title = name;
  return node;
}

function note(lines) {
  ref.note.textContent = lines.filter(Boolean).join(" ");
}

function submit(changes, said) {
  props.value = JSON.stringify({ ...value(), ...changes });
  ref.status.textContent = said;
  draw();
  trigger("submit");
}

function submitWish(changes, said) {
  submit({ wish: { ...wish(), ...changes } }, said);
}

// ---- keywords and items on their sides

function without(list, name) {
  return list.filter((other) => other !== name);
}

// Puts a keyword or an item on a side, or takes it off where it stands there already.
function put(side, name, toggle = true) {
  const now = wish();
  const there = now[side].includes(name);
  if (there && !toggle) return now;
  const changes = { [side]: there ? without(now[side], name) : [...now[side], name] };
  if (OTHER[side]) changes[OTHER[side]] = without(now[OTHER[side]], name);
  return { ...now, ...changes };
}

function act(side, name, label) {
  const taken = wish()[side].includes(name);
  const shown = label ?? name;
  submit({ wish: put(side, name) }, `${SAID[side](shown)}${taken ? ": taken back" : ""}.`);
}

function chips() {
  const now = wish();
  const found = [];
  for (const side of ["more", "less"]) {
    for (const name of now[side]) found.push([side, name, name]);
  }
  for (const side of ["liked", "disliked", "seen"]) {
    for (const id of now[side]) found.push([side, id, labelOf(id)]);
  }
  if (now.years) found.push(["years", "", `${now.years[0]} to ${now.years[1]}`]);
  if (now.popularity) {
    found.push(["popularity", "", now.popularity > 0 ? "Well known" : "Little known"]);
  }
  if (now.variety) found.push(["variety", "", "Varied"]);
  return found;
}

function takeOff(side, name) {
  const now = wish();
  if (side in NONE && Array.isArray(NONE[side])) return { [side]: without(now[side], name) };
  return { [side]: NONE[side] };
}

function drawChip([side, name, shown]) {
  const row = make("li", `wish-chip wish-${side}`);
  const said = SAID[side]?.(shown) ?? shown;
  if (OTHER[side]) {
    const flip = button("wish-sign", SIGNS[side], `${said}: turn round`);
    flip.addEventListener("click", () => {
      const shownNow = SAID[OTHER[side]](shown);
      submit({ wish: put(OTHER[side], name) }, `${shownNow}.`);
      focusChip(shownNow);
    });
    row.append(flip);
  }
  const from = sources.get(`${side} ${name}`);
  const text = make("span", "wish-text", ["more", "less"].includes(side) ? shown : said);
  text.title = from ? `${said}, from “${from}”` : said;
  row.append(text);
  const off = button("glyph glyph-remove", "", `Take off: ${said}`);
  off.addEventListener("click", () => {
    submitWish(takeOff(side, name), `Taken off: ${said}.`);
    (ref.chips.querySelector("button") ?? ref.words).focus({ preventScroll: true });
  });
  row.append(off);
  row.dataset.said = said;
  return row;
}

function focusChip(said) {
  const row = [...ref.chips.children].find((chip) => chip.dataset.said === said);
  row?.querySelector("button")?.focus({ preventScroll: true });
}

// ---- words

async function ask() {
  const words = ref.words.value.trim();
  if (!words) return note(["Write what you would like first."]);
  if (words.length > MAX_WORDS) {
    return note([`That is ${words.length} characters: shorten it to ${MAX_WORDS}.`]);
  }
  const mine = ++asking;
  const { domain } = value();
  note(["Reading…"]);
  let answer;
  try {
    answer = await server.read({ domain, picks: [], query: words });
  } catch {
    if (mine === asking) note(["The server did not answer. Is it still running?"]);
    return;
  }
  if (mine !== asking || domain !== value().domain) return;
  if (answer.error) return note([`${answer.error}.`]);
  remember(answer.labels);
  const missed = answer.unread.length ? `Not understood: ${answer.unread.join(", ")}.` : "";
  const notes = answer.notes.map((line) => `${line[0].toUpperCase()}${line.slice(1)}.`);
  note([missed, ...notes]);
  const before = JSON.stringify(wish());
  const after = answer.chips.reduce(merge, wish());
  if (answer.years && !outside(answer.years)) after.years = answer.years;
  if (answer.popularity) after.popularity = answer.popularity;
  if (JSON.stringify(after) === before) {
    const asks = answer.chips.some(({ side }) => side !== "neutral");
    if (!asks) note([missed, ...notes, "Nothing was changed."]);
    else if (!missed && !notes.length) note(["That changes nothing: it is asked for already."]);
    return;
  }
  ref.words.value = "";
  submit({ wish: after }, `Asked for: ${words}`);
}

function merge(now, { side, value: name, words }) {
  if (!SAID[side]) return now;
  sources.set(`${side} ${name}`, words);
  const changes = { [side]: [...without(now[side], name), name] };
  changes[OTHER[side]] = without(now[OTHER[side]], name);
  return { ...now, ...changes };
}

ref.ask.addEventListener("click", ask);
ref.words.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    ask();
  }
});

// ---- years and sliders

const sliders = [...element.querySelectorAll("[data-slider]")];
const years = [...element.querySelectorAll("[data-year]")];

function level(name) {
  const now = name === "profile_weight" ? value() : wish();
  return now[name] ?? scene().weight;
}

function shown(name, number) {
  if (name !== "popularity") return `${Math.round(number * 100)}%`;
  if (!number) return "any";
  return number > 0 ? "well known" : "little known";
}

sliders.forEach((slider) => {
  const name = slider.dataset.slider;
  const output = element.querySelector(`[data-of="${name}"]`);
  slider.addEventListener("input", () => {
    output.textContent = shown(name, Number(slider.value));
  });
  slider.addEventListener("change", () => {
    const number = Number(slider.value);
    const said = `${slider.labels[0].firstChild.textContent.trim()}: ${shown(name, number)}.`;
    if (name === "profile_weight") submit({ profile_weight: number }, said);
    else submitWish({ [name]: number }, said);
  });
});

function outside([from, to]) {
  const { years: bounds } = scene();
  return !bounds || to < bounds[0] || from > bounds[1];
}

function setYears() {
  const { years: bounds } = scene();
  if (!bounds) return;
  const typed = years.map((field) => field.value.trim());
  if (!typed[0] && !typed[1]) {
    if (wish().years) submitWish({ years: null }, "Any years.");
    return;
  }
  const [from, to] = typed.map((text, at) => (text ? Number(text) : bounds[at]));
  if (!Number.isInteger(from) || !Number.isInteger(to)) return note(["Years are whole numbers."]);
  if (from > to) return note([`The years run backwards, ${from} to ${to}: put the earlier first.`]);
  if (outside([from, to])) {
    return note([`This catalog holds the years ${bounds[0]} to ${bounds[1]}.`]);
  }
  const before = wish().years;
  if (before && before[0] === from && before[1] === to) return;
  note([]);
  submitWish({ years: [from, to] }, `Years ${from} to ${to}.`);
}
// Both years are read once both are written: going from one to the other asks for nothing yet.
ref.years.addEventListener("focusout", ({ relatedTarget }) => {
  if (!ref.years.contains(relatedTarget)) setYears();
});
ref.years.addEventListener("keydown", ({ key }) => {
  if (key === "Enter") setYears();
});

ref.reset.addEventListener("click", () => {
  note([]);
  submit({ wish: NONE, profile_weight: null }, "Nothing is asked for now.");
  ref.words.focus({ preventScroll: true });
});

// ---- the profile, edited where it stands

function editing() {
  return document.querySelector("#profile .profile-text[contenteditable]");
}

function edit() {
  const text = document.querySelector("#profile .profile-text");
  if (!text) return;
  text.dataset.before = text.textContent;
  text.contentEditable = "plaintext-only";
  if (text.contentEditable !== "plaintext-only") text.contentEditable = "true";
  text.setAttribute("role", "textbox");
  text.setAttribute("aria-multiline", "true");
  text.setAttribute("aria-label", "Profile");
  document.getElementById("profile").classList.add("editing");
  text.focus();
}

function endEdit(keep) {
  const text = editing();
  if (!text) return;
  const words = text.textContent.split(/\s+/).filter(Boolean).join(" ");
  if (keep && words.length > MAX_PROFILE) {
    return note([`The profile has ${words.length} characters: shorten it to ${MAX_PROFILE}.`]);
  }
  const { before } = text.dataset;
  for (const name of ["contenteditable", "role", "aria-multiline", "aria-label", "data-before"]) {
    text.removeAttribute(name);
  }
  document.getElementById("profile").classList.remove("editing");
  if (!keep || words === before) text.textContent = before;
  else submit({ profile: words }, "The profile is changed.");
  document.querySelector('#profile [data-refine="edit"]')?.focus({ preventScroll: true });
}

function drop(keyword) {
  const kept = [...document.querySelectorAll("#profile [data-keyword]")]
    .map((row) => row.dataset.keyword)
    .filter((other) => other !== keyword);
  submit({ keywords: kept }, `Removed from the profile: ${keyword}.`);
}

// The button that was pressed may be gone in a moment: Undo is where one goes on from, and the line
// of words where there is nothing to undo any more. What comes from the server takes its time, and
// may replace the button again: until the next press, a focus that is lost is put back.
const FOLLOW_MS = 10000;
let presses = 0;
for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => (presses += 1), { capture: true });
}

function focusUndo() {
  const mine = presses;
  const end = Date.now() + FOLLOW_MS;
  (function follow(wait, lost) {
    setTimeout(() => {
      if (mine !== presses || Date.now() > end) return;
      if (lost || document.activeElement === document.body) {
        const undo = document.querySelector('[data-refine="undo"]');
        (undo ?? ref.words).focus({ preventScroll: true });
      }
      follow(100, false);
    }, wait);
  })(400, true);
}

const ACTIONS = {
  edit,
  save: () => endEdit(true),
  discard: () => endEdit(false),
  drop: ({ value: keyword }) => drop(keyword),
  restore: () => submit({ profile: null, keywords: null }, "The model's own profile is back."),
  undo: () => {
    ref.status.textContent = "Undone.";
    note([]);
    trigger("undo");
    focusUndo();
  },
};

// The stages are drawn anew by the server: their buttons are heard here.
document.addEventListener("click", (event) => {
  const pressed = event.target.closest?.("[data-refine]");
  if (!pressed) return;
  const { refine: action, value: name, label } = pressed.dataset;
  if (ACTIONS[action]) return void ACTIONS[action](pressed.dataset);
  if (!SAID[action]) return;
  if (label) remember({ [name]: label });
  act(action, name, label);
  if (!pressed.closest("#profile")) focusUndo();
});
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("#profile .profile-text[contenteditable]")) return;
  if (event.key === "Escape") endEdit(false);
  else if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    endEdit(true);
  }
});

// ---- what the server sent

function draw() {
  const found = chips();
  ref.chips.replaceChildren(...found.map(drawChip));
  ref.chips.hidden = found.length === 0;
  const { years: bounds, example } = scene();
  ref.words.placeholder = example ? `Try “${example}”` : "";
  ref.years.hidden = !bounds;
  ref.popularity.hidden = !scene().popularity;
  const chosen = wish().years;
  const writing = ref.years.contains(document.activeElement);
  years.forEach((field, at) => {
    if (!writing) field.value = chosen ? String(chosen[at]) : "";
    field.placeholder = bounds ? String(bounds[at]) : "";
  });
  sliders.forEach((slider) => {
    const name = slider.dataset.slider;
    slider.value = String(level(name));
    element.querySelector(`[data-of="${name}"]`).textContent = shown(name, level(name));
  });
  const { profile_weight: weight } = value();
  ref.reset.hidden = !found.length && (weight ?? null) === null && wish().strength === NONE.strength;
}

async function refresh() {
  const mine = ++described;
  draw();
  const { domain } = value();
  const now = wish();
  const ids = [...now.liked, ...now.disliked, ...now.seen];
  const unknown = ids.filter((id) => !labels.has(`${domain} ${id}`));
  if (scenes.has(domain) && !unknown.length) return;
  try {
    const answer = await server.describe({ domain, picks: unknown, query: "" });
    if (mine !== described || answer.error) return;
    scenes.set(domain, answer);
    remember(answer.labels);
    draw();
  } catch {
    // The next change asks again; the picker says when the server is gone.
  }
}

watch("value", refresh);
refresh();
