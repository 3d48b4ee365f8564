// The film of a cine: frames come one by one, a button plays them, results belong to their own frame.

import * as api from "./api.js";

const FRAMES_PER_SECOND = 15;
const byId = (id) => document.getElementById(id);

export class FilmStrip {
  constructor(stage, hooks) {
    this.stage = stage;
    this.hooks = hooks;
    this.playing = 0;
    byId("play").addEventListener("click", () => this.toggle());
    byId("frame").addEventListener("input", (event) => this.show(Number(event.target.value)));
    byId("other-phase").addEventListener("click", () => this.hooks.openPhase(this.other));
  }

  open(opened) {
    this.stop();
    this.case = opened;
    this.frames = [];
    const { film } = opened;
    byId("film").hidden = !film;
    if (!film) return;
    this.at = film.frames[film.here];
    this.other = film.here === "ED" ? "ES" : "ED";
    byId("frame").max = film.count - 1;
    byId("other-phase").textContent = `Open ${this.other}`;
    this.frames[this.at] = opened.image.codes;
    this.name();
  }

  async show(n) {
    const { film } = this.case;
    this.at = (n + film.count) % film.count;
    this.name();
    if (!this.frames[this.at]) {
      const opened = this.case;
      const codes = await api.frame(opened.number, this.at);
      if (opened !== this.case) return;
      this.frames[this.at] = this.at === film.frames[film.here] ? opened.image.codes : codes;
    }
    this.stage.grey = this.frames[this.at];
    this.stage.draw();
  }

  name() {
    const { film } = this.case;
    const phase = Object.keys(film.frames).find((p) => film.frames[p] === this.at);
    byId("frame").value = this.at;
    byId("frame-name").textContent = `${this.at + 1} of ${film.count}${phase ? `, ${phase}` : ""}`;
  }

  toggle() {
    if (!this.case?.film) return;
    if (this.playing) {
      this.stop();
      this.show(this.case.film.frames[this.case.film.here]);
      return;
    }
    byId("play").textContent = "Stop";
    let last = performance.now();
    const step = async (now) => {
      if (!this.playing) return;
      if (now - last >= 1000 / FRAMES_PER_SECOND) {
        last = now;
        await this.show(this.at + 1).catch(() => this.stop());
      }
      if (this.playing) this.playing = requestAnimationFrame(step);
    };
    this.playing = requestAnimationFrame(step);
  }

  stop() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    byId("play").textContent = "Play";
  }
}
