// Lists, card, sizes and legend: plain text from the server, never markup.

const byId = (id) => document.getElementById(id);

const STATUS = {
  NotStarted: ["○", "open"], InProgress: ["◐", "here"], Completed: ["●", "decided"], Flagged: ["⚑", "flagged"],
};

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function chip(colour) {
  const made = element("i", "", "chip");
  made.style.setProperty("background", colour);
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** One button of a list with a name, a second line and a mark. */
function entryOf(name, choose) {
  const button = element("button");
  button.type = "button";
  const parts = { button, mark: element("span", "", "mark"), name: element("span", name, "name"), line: element("span", "", "soft line") };
  parts.mark.setAttribute("aria-hidden", "true");
  button.append(parts.mark, parts.name, parts.line);
  button.addEventListener("click", choose);
  const entry = element("li");
  entry.append(button);
  return { ...parts, entry };
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A list that is built once and then only told what has changed. */
class List {
  constructor(id) {
    this.list = byId(id);
    this.entries = [];
    this.current = -1;
  }

  build(entries, otherwise = "") {
    this.entries = entries;
    this.current = -1;
    this.list.replaceChildren(...entries.map((one) => one.entry));
    if (!entries.length && otherwise) this.list.append(element("li", otherwise, "soft"));
  }

  choose(current) {
    if (current === this.current) return;
    this.entries[this.current]?.button.removeAttribute("aria-current");
    this.current = current;
    this.entries[current]?.button.setAttribute("aria-current", "true");
    this.entries[current]?.button.scrollIntoView({ block: "nearest" });
  }
}

export class CaseList extends List {
  constructor() { super("cases"); }

  build(cases, choose) {
    super.build(cases.map((one) => {
      const made = entryOf(one.name, () => choose(one.number));
      const word = one.problem ? "damaged" : one.verdict?.word ?? "";
      if (word) made.name.append(element("span", word, `verdict ${word}`));
      made.button.title = one.verdict?.reason || one.headline;
      return made;
    }));
  }

  show(cases, number) {
    cases.forEach((one, n) => {
      const done = one.review ? reviewed(one.review) : `${one.regions} region${one.regions === 1 ? "" : "s"}`;
      const part = one.review ? (one.review.decided >= one.review.items ? "Completed" : "InProgress") : "NotStarted";
      set(this.entries[n].mark, one.problem ? "!" : STATUS[part][0]);
      set(this.entries[n].line, one.problem || `${done} · ${one.headline}`);
    });
    this.choose(cases.findIndex((one) => one.number === number));
  }
}

function reviewed({ decided, items, flagged }) {
  const text = decided >= items ? "reviewed" : `${decided} of ${items} decided`;
  return flagged ? `${text}, ${flagged} flagged` : text;
}

export class RegionList extends List {
  constructor() { super("regions"); }

  build(opened, choose) {
    const names = nameOf(opened);
    super.build(opened.items.map((item, index) => {
      const what = item.title ? item.title : item.component ? `${names(item.was)} → ${names(item.became)}` : `whole slice ${item.slice + 1}`;
      const made = entryOf(what, () => choose(index));
      if (item.colour) made.name.prepend(chip(item.colour));
      made.entry.hidden = index >= opened.listed;
      return made;
    }), "nothing to look at");
    const rest = this.entries.slice(opened.listed);
    this.unfold = null;
    if (rest.length) this.fold(rest);
  }

  /** One line for what is worth less than a look; pressed it shows them. */
  fold(rest) {
    const line = element("li");
    const button = element("button", "", "soft");
    button.id = "further";
    button.type = "button";
    const show = (open) => {
      button.setAttribute("aria-expanded", String(open));
      button.textContent = `${open ? "hide" : "show"} ${rest.length} further region${rest.length === 1 ? "" : "s"}, worth little each`;
      for (const one of rest) one.entry.hidden = !open;
    };
    button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
    show(false);
    this.unfold = () => show(true);
    line.append(button);
    this.list.insertBefore(line, rest[0].entry);
  }

  show(opened, current) {
    opened.items.forEach((item, index) => {
      const status = opened.state.statuses[index];
      const [mark, word] = STATUS[index === current && status === "NotStarted" ? "InProgress" : status];
      set(this.entries[index].mark, mark);
      const volume = `${millilitres(item.ml)} ml`;
      set(this.entries[index].line, `${item.component ? `slice ${item.voxel[0] + 1}, ${volume}` : volume} · ${word}`);
    });
    if (current >= opened.listed) this.unfold?.();
    this.choose(current);
  }
}

/** "Region 2 of 5", or "Further region 1 of 12" beyond those worth a look. */
export function position(opened, index) {
  const { listed, items } = opened;
  return index < listed ? `Region ${index + 1} of ${listed}` : `Further region ${index + 1 - listed} of ${items.length - listed}`;
}

export const nameOf = (opened) => (label) => opened.classes.find((c) => c.value === label)?.name ?? `label ${label}`;

function millilitres(ml) {
  if (ml >= 10) return ml.toFixed(0);
  return ml >= 0.095 ? ml.toFixed(1) : ml.toPrecision(1);
}

export function showCard(opened, current) {
  const item = opened.items[current];
  byId("card-title").textContent = item
    ? position(opened, current) : opened.items.length ? "No region chosen" : "Nothing to look at";
  byId("card-text").textContent = item
    ? sentence(item.card) : opened.items.length ? "Press Next (N) to go to the first one." : "";
  const status = item ? opened.state.statuses[current] : null;
  const said = item && [...opened.state.trail].reverse().find((d) => item.key === opened.state.last?.item && d.what === opened.state.last.what);
  byId("card-status").textContent = !item ? "" : said && status !== "NotStarted"
    ? `${STATUS[status][1]}: ${said.what.split(":")[0]}` : `${STATUS[status][1]}`;
}

/** The line of the card without its last part, which the title says. */
function sentence(card) {
  return card.replace(/; (further )?(region|slice) \d+ of \d+$/, "");
}

export function showState(opened) {
  const { state } = opened;
  byId("progress").textContent = state.progress;
  byId("headline").textContent = state.headline || opened.name;
  byId("sizes").replaceChildren(...state.sizes.map((size) => {
    const row = element("tr");
    const name = element("th", size.name);
    name.scope = "row";
    const value = element("td", size.value);
    const changed = size.model && !size.interval && !size.model.startsWith(size.value);
    row.append(name, value, element("td", size.interval || (changed ? size.model : ""), "soft"));
    return row;
  }));
  const intervals = state.sizes.some((size) => size.interval);
  const other = state.sizes.some((size) => size.model && size.model !== size.value);
  byId("interval-title").textContent = intervals ? state.interval_title : other ? state.model_title : "";
  byId("undo").disabled = opened.read_only || !state.can_undo;
  byId("redo").disabled = opened.read_only || !state.can_redo;
}

export function showVerdict(opened, listed) {
  const verdict = listed?.verdict;
  byId("verdict").hidden = !verdict;
  byId("verdict").textContent = verdict?.word ?? "";
  byId("verdict").className = `verdict ${verdict?.word ?? ""}`;
  byId("verdict").title = verdict?.advice ?? "";
  byId("reason").title = verdict ? `${verdict.reason}. ${verdict.advice}` : "";
  byId("reason").hidden = !verdict?.reason;
  byId("reason").textContent = verdict?.reason ?? "";
  const notes = [...new Set([...opened.warnings, ...opened.state.notes])];
  byId("notes").hidden = !notes.length;
  byId("notes").firstChild.textContent = `${notes.length} note${notes.length === 1 ? "" : "s"}`;
  byId("notes").lastChild.replaceChildren(...notes.map((note) => element("li", note)));
}

export function showLegend(opened, look, map) {
  const classes = opened.classes.filter((c) => c.value).map((c) => {
    const entry = element("span", "", "entry");
    entry.append(chip(c.colour), c.name);
    return entry;
  });
  const parts = [...classes];
  if (map && look.heatOn) {
    const scale = element("span", "", "scale");
    scale.style.setProperty("background", `linear-gradient(to right, ${opened.heat_stops.join(", ")})`);
    const words = element("span", "", "entry");
    const end = map.maximum.toFixed(map.maximum < 1 ? 2 : 0);
    words.append(element("b", map.title), " 0", scale, `${end}, hidden below ${(look.threshold * map.maximum).toFixed(2)}`);
    words.title = map.explanation;
    parts.push(words);
  }
  if (look.bands && opened.bands.length) {
    parts.push(element("span", `between two thin lines lies ${opened.bands[0].share} of a reader's contour:`, "entry"));
    for (const band of opened.bands) {
      const entry = element("span", "", "entry");
      entry.append(chip(band.colour), band.words);
      parts.push(entry);
    }
  }
  document.getElementById("legend").replaceChildren(...parts);
}

export function showClasses(opened, assign) {
  const shown = opened.classes.filter((c) => c.value);
  const ordered = [...shown, ...opened.classes.filter((c) => !c.value)];
  byId("classes").replaceChildren(...ordered.map((info) => {
    const key = info.value ? shown.indexOf(info) + 1 : 0;
    const button = element("button");
    button.type = "button";
    button.dataset.label = info.value;
    button.title = info.name;
    if (key < 10) {
      button.dataset.key = key;
      button.setAttribute("aria-keyshortcuts", String(key));
    }
    const badge = element("kbd", key < 10 ? String(key) : " ");
    badge.style.setProperty("background", info.colour);
    badge.style.setProperty("color", isBright(info.colour) ? "#000" : "#fff");
    button.append(badge, info.name);
    button.addEventListener("click", () => assign(info.value));
    return button;
  }));
}

function isBright(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 118;
}
