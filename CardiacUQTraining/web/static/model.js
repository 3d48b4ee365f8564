// One opened case: its arrays in file order, and the one way to change it.

import * as api from "./api.js";
import { apply, unpacked } from "./runs.js";

export class Case {
  constructor(about, image, labels) {
    Object.assign(this, about);
    this.voxels = this.size[0] * this.size[1] * this.size[2];
    this.image = image;
    this.labels = unpacked(labels, this.voxels, Uint8Array);
    this.final = null;
    this.first = null;
    this.regions = null;
    this.mapCodes = new Map();
    this.bandCodes = new Map();
    this.said = new Map();
    this.waiting = Promise.resolve();
    this.sent = 0;
    this.foretold = new Map();
  }

  /** What the first picture needs; the rest follows with `rest`. */
  static async open(number) {
    const [about, image, labels] = await Promise.all([
      api.described(number), api.image(number).catch((problem) => ({ problem })), api.labels(number, "labels"),
    ]);
    if (image.problem) {
      about.warnings.unshift(image.problem.message);
      const size = about.size[0] * about.size[1] * about.size[2];
      return new Case(about, { codes: new Uint16Array(size), low: 0, step: 1, window: [0, 1] }, labels);
    }
    return new Case(about, image, labels);
  }

  async rest() {
    const read = async (name, Type) => unpacked(await api.labels(this.number, name), this.voxels, Type);
    const parts = [read("final", Uint8Array).then((a) => { this.final = a; })];
    if (this.has_first) parts.push(read("first", Uint8Array).then((a) => { this.first = a; }));
    if (this.items.some((item) => item.component)) {
      parts.push(read("components", Uint16Array).then((a) => { this.regions = a; }));
    }
    await Promise.all(parts);
  }

  async map(name) {
    if (!this.mapCodes.has(name)) this.mapCodes.set(name, await api.map(this.number, name));
    return this.mapCodes.get(name);
  }

  /** Read the contour bands: 2 within the inner contour, 1 between both. */
  async readBands() {
    await Promise.all(this.bands.filter((band) => !this.bandCodes.has(band.name)).map(async (band) => {
      this.bandCodes.set(band.name, unpacked(await api.labels(this.number, band.name), this.voxels, Uint8Array));
    }));
  }

  /** The class probabilities of a voxel in words, or why there are none. */
  async chances(index) {
    if (!this.has_probabilities) return "class probabilities were not stored";
    try {
      if (!this.said.has(index)) this.said.set(index, await api.chances(this.number, index));
      return this.said.get(index);
    } catch (problem) {
      return problem.message;
    }
  }

  /** Flat index of voxel (z, y, x) in slice order. */
  index(z, y, x) {
    return this.offset + z * this.steps[0] + y * this.steps[1] + x * this.steps[2];
  }

  /** Slice of a flat index. */
  sliceOf(index) {
    const order = [0, 1, 2].sort((a, b) => Math.abs(this.steps[b]) - Math.abs(this.steps[a]));
    let left = index;
    for (const axis of order) {
      const step = Math.abs(this.steps[axis]);
      const place = Math.floor(left / step);
      left -= place * step;
      if (axis === 0) return this.steps[0] < 0 ? this.size[0] - 1 - place : place;
    }
    return 0;
  }

  /** Flat indices of the voxels that a decision about an item may change. */
  voxelsOf(item) {
    const found = [];
    if (item.component) {
      for (let n = 0; n < this.voxels; n += 1) if (this.regions[n] === item.component) found.push(n);
      return found;
    }
    const [, rows, columns] = this.size;
    for (let y = 0; y < rows; y += 1) for (let x = 0; x < columns; x += 1) found.push(this.index(item.slice, y, x));
    return found;
  }

  /** Show a decision before it is stored: true if what the server will say is known already. */
  foretell(action, item, label) {
    const edited = this.state.trail.some((entry) => entry.what.startsWith("edited"));
    if (action === "keep" && (edited || this.voxelsOf(item).some((n) => this.labels[n] !== this.final[n]))) return false;
    if (action === "assign" && item.place) return false; // only the voxels in question change
    if (action === "take_2d") for (const n of this.voxelsOf(item)) this.labels[n] = this.first[n];
    if (action === "accept") for (const n of this.voxelsOf(item)) this.labels[n] = item.proposed;
    if (action === "assign") for (const n of this.voxelsOf(item)) this.labels[n] = label;
    this.foretold.set(item.key, action === "flag" ? "Flagged" : "Completed");
    this.overlay();
    return true;
  }

  /** Statuses as they will be when everything that was sent is stored. */
  overlay() {
    this.items.forEach((item, n) => {
      if (this.foretold.has(item.key)) this.state.statuses[n] = this.foretold.get(item.key);
    });
  }

  /** Ask for a change, one after the other; `shown` says that the voxels are changed here already. */
  change(action, content = {}, shown = false) {
    this.sent += 1;
    const sent = this.waiting.then(async () => {
      const answer = await api.change(this.number, action, { revision: this.state.revision, ...content });
      this.state = answer.state;
      this.sent -= 1;
      if (!this.sent) this.foretold.clear();
      this.overlay();
      if (!shown) apply(this.labels, answer.changed);
      return answer;
    });
    this.waiting = sent.catch(() => { this.sent -= 1; });
    return sent;
  }
}
