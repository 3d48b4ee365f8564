// Brings the parts together: which case, which region, what keys and mouse do.

import * as api from "./api.js";
import { Brush } from "./brush.js";
import { FilmStrip } from "./film.js";
import { fillHelp, listen } from "./keys.js";
import { Case } from "./model.js";
import { connectMouse } from "./mouse.js";
import * as panels from "./panels.js";
import { fillPaper } from "./paper.js";
import { Stage } from "./stage.js";
import { connectSettings, useTheme } from "./settings.js";

const byId = (id) => document.getElementById(id);
const NOWHERE = -1;

class Page {
  constructor() {
    this.cohort = null;
    this.case = null;
    this.current = NOWHERE;
    this.editing = false;
    this.brush = new Brush();
    this.caseList = new panels.CaseList();
    this.regionList = new panels.RegionList();
    this.stage = new Stage({ drawn: () => this.drawn(), openSlices: () => this.openSlices() });
    this.film = new FilmStrip(this.stage, { openPhase: (phase) => this.openPhase(phase) });
  }

  async start() {
    try {
      this.cohort = await api.cohort();
    } catch (problem) {
      this.ask(problem);
      return;
    }
    byId("reviewer").textContent = this.cohort.read_only ? "only to look at" : `Reader: ${this.cohort.reviewer}`;
    byId("cohort-link").hidden = this.cohort.cases.length < 2;
    this.caseList.build(this.cohort.cases, (number) => this.open(number));
    await this.open(this.wanted());
  }

  /** The case that the address names, else the first that is not reviewed to the end. */
  wanted() {
    const { cases } = this.cohort;
    const name = decodeURIComponent(location.hash.slice(1));
    const open = cases.find((one) => !one.problem && !(one.review && one.review.decided >= one.review.items));
    return (cases.find((one) => one.name === name) ?? open ?? cases[0]).number;
  }

  async open(number) {
    this.endEditing();
    const started = performance.now();
    this.wantedNumber = number;
    try {
      const opened = await Case.open(number);
      if (this.wantedNumber !== number) return;
      this.case = opened;
      this.current = NOWHERE;
      this.regionList.build(opened, (index) => { this.endEditing(); this.goTo(index); });
      this.stage.show(opened);
      this.film.open(opened);
      this.timings = { picture: performance.now() - started };
      this.refresh();
      this.tell("");
      document.title = `${opened.name} – CardiacUQ review`;
      history.replaceState(null, "", `#${encodeURIComponent(opened.name)}`);
      await opened.rest();
      if (this.case !== opened) return;
      await this.chooseMap(opened.default_map);
      await this.showBands();
      panels.showClasses(opened, (label) => this.classKey(label));
      this.stage.later(Array(opened.size[0]).keys());
      const first = opened.state.statuses.indexOf("NotStarted");
      if (opened.listed) this.goTo(first < 0 || first >= opened.listed ? opened.listed - 1 : first);
      else this.refresh();
    } catch (problem) {
      this.tell(problem.message);
    }
    document.body.dataset.ready = this.case?.name ?? "";
  }

  openPhase(phase) {
    const name = this.case.name.replace(/_(ED|ES)$/, `_${phase}`);
    const other = this.cohort.cases.find((one) => one.name === name);
    if (other) this.open(other.number);
  }

  async chooseMap(name) {
    const opened = this.case;
    const map = opened.maps.find((m) => m.name === name) ?? opened.maps[0] ?? null;
    byId("map").replaceChildren(...opened.maps.map((m) => new Option(m.title, m.name, false, m === map)));
    for (const id of ["map", "opacity", "threshold"]) byId(id).parentElement.hidden = !map;
    byId("heat").hidden = !map;
    this.map = map;
    const codes = map ? await opened.map(map.name) : null;
    if (this.case === opened) this.stage.setMap(map, codes);
    this.showSettings();
  }

  /** Draw the contour bands or not; they are read when first asked for. */
  async showBands() {
    const opened = this.case;
    byId("bands").hidden = !opened.bands.length;
    if (this.stage.look.bands) await opened.readBands();
    if (this.case !== opened) return;
    this.stage.draw();
    this.showSettings();
  }

  // -- regions and decisions

  goTo(index) {
    if (!this.case || !(index in this.case.items)) return;
    this.current = index;
    this.stage.setItem(this.case.items[index]);
    if (this.editing) this.useClass(this.case.items[index].became);
    this.refresh();
    this.say(`${panels.position(this.case, index)}: ${this.case.items[index].card}`);
  }

  /** The next undecided region worth a look, from the beginning again if need be; at the end say so. */
  next() {
    this.endEditing();
    const { listed, state } = this.case;
    const here = Math.min(this.current, listed - 1);
    for (let step = 1; step <= listed; step += 1) {
      const index = (here + step) % listed;
      if (state.statuses[index] === "NotStarted") return this.goTo(index);
    }
    this.refresh();
    this.tell(listed ? `${state.progress}. Next case: C` : "nothing to look at; next case: C", "good");
    byId("next-case").focus();
    return undefined;
  }

  previous() {
    this.endEditing();
    this.goTo(this.current > 0 ? this.current - 1 : this.case.listed - 1);
  }

  /** One key for a lesion that is not drawn: its proposed outline becomes part of the labels. */
  accept() {
    const item = this.case.items[this.current];
    if (item && item.proposed === null) return this.tell("nothing is proposed here; keep it, give it a class or edit it (E)");
    return this.decide("accept");
  }

  async decide(action, content = {}) {
    const item = this.case.items[this.current];
    if (!item) return this.tell("no region is chosen yet; go to the first one (N)");
    const started = performance.now();
    const shown = this.case.foretell(action, item, content.label);
    const sent = this.change(action, { item: item.key, ...content }, shown);
    if (!shown && !(await sent)) return undefined;
    this.next();
    requestAnimationFrame(() => { this.timings.shown = performance.now() - started; });
    const answer = await sent;
    this.timings.stored = performance.now() - started;
    if (answer) this.followed(answer);
    return undefined;
  }

  async step(action) {
    const answer = await this.change(action);
    if (!answer) return;
    this.followed(answer);
    const index = this.case.items.findIndex((item) => item.key === answer.item);
    if (index >= 0 && index !== this.current) this.goTo(index);
    this.refresh();
    this.say(action === "undo" ? "taken back" : "brought back");
  }

  followed(answer) {
    this.stage.later(new Set(answer.changed.map(([start]) => this.case.sliceOf(start))));
    this.stage.draw();
    this.refresh();
  }

  /** Ask for a change; a refusal is shown, and what someone else did meanwhile is taken over. */
  async change(action, content = {}, painted = false) {
    const opened = this.case;
    if (opened.read_only) return this.tell("this server only shows cases");
    try {
      const answer = await opened.change(action, content, painted);
      if (byId("message").className !== "good") this.tell("");
      return answer;
    } catch (problem) {
      if (problem.status === 409 || painted) await this.open(opened.number);
      this.tell(problem.message);
      return undefined;
    }
  }

  // -- the brush

  toggleEditing() {
    if (this.editing) return this.endEditing();
    if (this.case.read_only) return this.tell("this server only shows cases");
    this.editing = true;
    const item = this.case.items[this.current];
    this.useClass(item?.became ?? this.case.classes.find((c) => c.value)?.value ?? 0);
    this.refresh();
    byId("slice").focus();
    return undefined;
  }

  endEditing() {
    if (this.brush.painting) this.endStroke();
    this.editing = false;
    this.stage.point(null);
    if (this.case) this.refresh();
  }

  useClass(label) {
    if (label !== 0) this.painted = label;
    this.brush.label = label ?? this.brush.label;
    this.refresh();
  }

  classKey(label) {
    if (this.editing) this.useClass(label);
    else this.decide("assign", { label });
  }

  beginStroke([y, x]) {
    this.brush.begin(this.case, this.stage.z, y, x);
    this.stage.draw(this.brush.fresh());
  }

  async endStroke() {
    const z = this.brush.stroke.z;
    const runs = this.brush.end();
    if (!runs.length) return;
    const item = this.case.items[this.current];
    this.stage.later([z]);
    const answer = await this.change("paint", { item: item?.key ?? null, runs }, true);
    if (answer) this.refresh();
  }

  // -- cases

  async nextCase() {
    const { cases } = this.cohort;
    if (cases.length < 2) return this.tell("there is no other case");
    const here = cases.findIndex((one) => one.number === this.case.number);
    return this.open(cases[(here + 1) % cases.length].number);
  }

  async export() {
    const answer = await this.change("export");
    if (answer) this.tell(`The training case is in ${answer.exported}`, "good");
  }

  // -- what is seen

  /** Bring lists, card and buttons up to date, once however often it is asked for. */
  refresh() {
    if (this.refreshing) return;
    this.refreshing = true;
    queueMicrotask(() => {
      this.refreshing = false;
      if (this.case) this.renew();
    });
  }

  renew() {
    const { case: opened } = this;
    const listed = this.cohort.cases.find((one) => one.number === opened.number);
    listed.review = opened.state.can_undo ? {
      decided: opened.state.decided, items: opened.listed,
      flagged: opened.state.statuses.slice(0, opened.listed).filter((s) => s === "Flagged").length,
    } : listed.review && !opened.state.can_undo ? null : listed.review;
    listed.headline = opened.state.headline || listed.headline;
    byId("case-name").textContent = opened.name;
    byId("report-link").hidden = false;
    byId("report-link").href = `/report/${opened.number}`;
    this.caseList.show(this.cohort.cases, opened.number);
    this.regionList.show(opened, this.current);
    panels.showCard(opened, this.current);
    panels.showState(opened);
    panels.showVerdict(opened, listed);
    this.showButtons();
    this.stage.mark();
  }

  showButtons() {
    const { case: opened } = this;
    const item = opened.items[this.current];
    const [first, final] = opened.opinions;
    byId("final-name").textContent = final;
    byId("take-name").textContent = first;
    byId("first-name").textContent = first;
    byId("accept").hidden = !opened.items.some((one) => one.proposed !== null);
    byId("accept").disabled = opened.read_only || (item?.proposed ?? null) === null;
    byId("accept-name").textContent = (item?.proposed ?? null) === null ? "proposal" : panels.nameOf(opened)(item.proposed);
    byId("take").disabled = opened.read_only || !opened.has_first || !item;
    byId("other").disabled = !opened.has_first;
    byId("keep").disabled = byId("flag").disabled = opened.read_only || !item;
    byId("edit").disabled = opened.read_only;
    byId("export").disabled = opened.read_only;
    for (const button of byId("classes").children) {
      button.disabled = opened.read_only || (!this.editing && !item?.component);
      button.setAttribute("aria-pressed", String(this.editing && Number(button.dataset.label) === this.brush.label));
    }
    byId("next").disabled = byId("previous").disabled = !opened.listed;
    byId("next-case").disabled = this.cohort.cases.length < 2;
    byId("edit").setAttribute("aria-pressed", String(this.editing));
    byId("brush").hidden = !this.editing;
    byId("eraser").setAttribute("aria-pressed", String(this.brush.label === 0));
    byId("brush-class").textContent = panels.nameOf(opened)(this.brush.label);
    document.body.classList.toggle("editing", this.editing);
  }

  showSettings() {
    panels.showLegend(this.case, this.stage.look, this.map);
    this.settings.show();
  }

  openSlices() {
    if (!this.case) return [];
    return this.case.items.slice(0, this.case.listed)
      .filter((_, index) => this.case.state.statuses[index] === "NotStarted").map((item) => item.slice ?? item.voxel[0]);
  }

  drawn() {
    const { z, look } = this.stage;
    byId("where").textContent = `Slice ${z + 1} of ${this.case.size[0]}`;
    byId("slice").setAttribute("aria-label", `Slice ${z + 1} of ${this.case.size[0]}, ${look.heatOn && this.map ? `with ${this.map.title}` : "no heat map"}`);
  }

  say(text) { byId("live").textContent = text; }

  tell(text, kind = "bad") {
    byId("message").hidden = !text;
    byId("message").className = kind;
    byId("message").textContent = text;
  }

  ask(problem) {
    byId("entrance-text").textContent = problem.status === 401
      ? "Open the address that the terminal shows; it is good for one browser." : problem.message;
    byId("login").hidden = problem.status !== 401;
    byId("entrance").showModal();
  }
}

const page = new Page();
page.settings = connectSettings(page);
connectMouse(page);
useTheme(byId("theme"));
fillHelp(byId("key-list"));
window.review = page;

const pressed = {
  n: () => page.next(), p: () => page.previous(), k: () => page.decide("keep"), a: () => page.accept(), t: () => page.decide("take_2d"),
  f: () => page.decide("flag"), e: () => page.toggleEditing(), z: () => page.step("undo"), Z: () => page.step("redo"),
  b: () => byId("bands").hidden || byId("bands").click(),
  h: () => byId("heat").click(), l: () => byId("outlines").click(), o: () => byId("other").click(),
  y: () => byId("zoom").click(), c: () => page.nextCase(), x: () => page.editing && page.useClass(page.brush.label ? 0 : page.painted),
  "[": () => page.settings.brush(-0.5), "]": () => page.settings.brush(0.5), "?": () => byId("keys").showModal(),
  "+": () => page.settings.zoom(1.25), "-": () => page.settings.zoom(0.8),
};

listen((key, event) => {
  if (!page.case) return false;
  if (page.editing && document.activeElement === byId("slice") && page.mouse.arrow(key)) return true;
  if (key === "ArrowUp" || key === "PageUp") page.stage.go(page.stage.z - 1);
  else if (key === "ArrowDown" || key === "PageDown") page.stage.go(page.stage.z + 1);
  else if (key === " ") page.film.toggle();
  else if (/^[0-9]$/.test(key)) [...byId("classes").children].find((b) => b.dataset.key === key)?.click();
  else if (page.editing && key === "t") page.tell("the brush is in use; leave it first (E)");
  else if (pressed[key]) pressed[key](event);
  else return false;
  return true;
});

const clicks = {
  next: "n", previous: "p", keep: "k", accept: "a", take: "t", flag: "f", edit: "e", undo: "z", redo: "Z", eraser: "x", "next-case": "c", help: "?",
};
for (const [id, key] of Object.entries(clicks)) byId(id).addEventListener("click", () => pressed[key]());
byId("export").addEventListener("click", () => page.export());
byId("print").addEventListener("click", () => window.print());
window.addEventListener("beforeprint", () => page.case && fillPaper(page.case, page.stage, page.cohort.version));
window.addEventListener("hashchange", () => page.cohort && page.open(page.wanted()));
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await api.logIn(byId("password").value);
    byId("entrance").close();
    await page.start();
  } catch (problem) {
    byId("entrance-text").textContent = problem.message;
  }
});
page.start();
