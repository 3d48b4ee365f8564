// The middle of the page: the large slice with its outlines, and the strip of all slices.

import { Painter, heatTable } from "./painter.js";
import { fitted, heartBox, moved, zoomed } from "./view.js";

const THUMBNAIL = 72;
const byId = (id) => document.getElementById(id);

export class Stage {
  constructor(hooks) {
    this.hooks = hooks;
    this.canvas = byId("slice");
    this.context = this.canvas.getContext("2d");
    this.look = { heatOn: true, opacity: 0.4, threshold: 0.06, outlines: true, other: false, bands: false, heart: true };
    this.due = false;
    this.cursor = null;
    this.stale = new Set();
    new ResizeObserver(() => this.fit()).observe(byId("large"));
  }

  show(opened) {
    this.case = opened;
    this.painter = new Painter(opened);
    this.thumbnails = new Painter(opened);
    [this.look.low, this.look.high] = opened.image.window;
    this.look.threshold = opened.hidden_below;
    this.heat = null;
    this.map = null;
    this.item = null;
    this.grey = opened.image.codes;
    this.z = Math.floor(opened.size[0] / 2);
    this.box = heartBox(opened);
    this.build();
    this.fit();
  }

  /** Which map lies over the image; null for none. */
  setMap(map, codes) {
    this.map = map;
    this.mapCodes = codes;
    this.retable();
  }

  retable() {
    const { heatOn, threshold, opacity } = this.look;
    this.heat = heatOn && this.map
      ? { codes: this.mapCodes, table: heatTable(this.case.heat_stops, threshold, opacity) } : null;
    this.draw();
  }

  setItem(item) {
    this.item = item;
    if (item) this.go(item.slice ?? item.voxel[0], item.slice === null ? item.voxel : null);
  }

  /** Show slice z; a voxel that would lie outside the picture is brought into it. */
  go(z, voxel = null) {
    this.z = Math.max(0, Math.min(this.case.size[0] - 1, z));
    if (voxel && this.place) {
      const [px, py] = [this.place.x(voxel[2] + 0.5), this.place.y(voxel[1] + 0.5)];
      const { width, height } = this.canvas;
      const inside = px > width * 0.1 && px < width * 0.9 && py > height * 0.1 && py < height * 0.9;
      if (!inside) this.place = moved(this.place, width / 2 - px, height / 2 - py, width, height);
    }
    this.mark();
    this.draw();
  }

  fit() {
    if (!this.case) return;
    const room = byId("large").getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(room.width * ratio));
    this.canvas.height = Math.max(1, Math.round(room.height * ratio));
    this.place = fitted(this.case, this.look.heart ? this.box : null, this.canvas.width, this.canvas.height);
    this.paint();
  }

  zoom(factor, px, py) {
    const whole = fitted(this.case, null, this.canvas.width, this.canvas.height);
    const scale = Math.max(whole.scaleX / this.place.scaleX, Math.min(40 / this.place.scaleX, factor));
    this.place = zoomed(this.place, scale, px, py, this.canvas.width, this.canvas.height);
    this.draw();
  }

  pan(dx, dy) {
    this.place = moved(this.place, dx, dy, this.canvas.width, this.canvas.height);
    this.draw();
  }

  /** Voxel [y, x] under a mouse event, null beside the slice. */
  under(event) {
    const [px, py] = this.pixel(event);
    const [y, x] = this.place.voxel(px, py);
    const [, rows, columns] = this.case.size;
    return y < 0 || x < 0 || y >= rows || x >= columns ? null : [y, x];
  }

  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) * (this.canvas.width / box.width),
      (event.clientY - box.top) * (this.canvas.height / box.height),
    ];
  }

  /** Draw anew with the next frame: everything, or only the rows and columns of `box`. */
  draw(box = null) {
    if (!this.case) return;
    this.dirty = this.due ? joined(this.dirty, box) : box;
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.paint(this.dirty);
    });
  }

  paint(box = null) {
    const { context, canvas, look, z } = this;
    const ratio = window.devicePixelRatio || 1;
    const [, rows, columns] = this.case.size;
    const part = box && grown(box, rows, columns);
    const place = part ? this.place.within(part) : this.place;
    const own = this.ownFrame; // maps and labels belong to their own frame of a film
    const picture = this.painter.compose(z, this.grey, { ...look, heat: own && this.heat, tint: own && look.outlines }, part);
    context.save();
    if (part) {
      const [top, bottom, left, right] = part;
      context.beginPath();
      context.rect(place.x(left), place.y(top), (right + 1 - left) * place.scaleX, (bottom + 1 - top) * place.scaleY);
      context.clip();
    } else {
      context.fillStyle = "#000";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, place.x(0), place.y(0), columns * place.scaleX, rows * place.scaleY);
    if (this.ownFrame) this.drawLines(place, ratio);
    this.drawLetters(ratio);
    context.restore();
    this.hooks.drawn(this);
  }

  drawLines(place, ratio) {
    const { context, look, z } = this;
    if (look.bands) {
      for (const { name, colour } of this.case.bands) {
        const codes = this.case.bandCodes.get(name);
        if (codes) this.painter.band(context, z, codes, colour, place, ratio);
      }
    }
    if (look.other && this.case.first) {
      this.painter.outline(context, z, this.case.first, place, { width: 2 * ratio, dash: [6 * ratio, 4 * ratio] });
    } else if (look.outlines) {
      this.painter.outline(context, z, this.case.labels, place, { width: 2 * ratio });
    }
    if (this.item) this.painter.region(context, z, this.item.component, place, 2 * ratio);
  }

  get ownFrame() { return this.grey === this.case.image.codes; }

  drawLetters(ratio) {
    const { context, canvas } = this;
    const { letters } = this.case;
    context.save();
    context.font = `600 ${14 * ratio}px system-ui, sans-serif`;
    context.fillStyle = "#fff";
    context.strokeStyle = "rgba(0,0,0,.7)";
    context.lineWidth = 3 * ratio;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const places = [
      [letters.left, 16 * ratio, canvas.height / 2], [letters.right, canvas.width - 16 * ratio, canvas.height / 2],
      [letters.top, canvas.width / 2, 14 * ratio], [letters.bottom, canvas.width / 2, canvas.height - 40 * ratio],
    ];
    for (const [letter, x, y] of places) {
      context.strokeText(letter, x, y);
      context.fillText(letter, x, y);
    }
    context.restore();
  }

  /** The ring of the brush around a voxel; null takes it away. It is no part of the canvas. */
  point(cursor) {
    this.cursor = cursor;
    const ring = byId("ring");
    ring.hidden = !cursor;
    if (!cursor) return;
    const ratio = this.canvas.width / this.canvas.clientWidth;
    const radius = Math.max((cursor.radiusMm * this.place.scaleX) / this.case.spacing[2], this.place.scaleX / 2) / ratio;
    ring.style.setProperty("width", `${2 * radius}px`);
    ring.style.setProperty("height", `${2 * radius}px`);
    ring.style.setProperty("border-color", cursor.colour);
    const [x, y] = [this.place.x(cursor.x + 0.5) / ratio - radius, this.place.y(cursor.y + 0.5) / ratio - radius];
    ring.style.setProperty("transform", `translate(${x}px, ${y}px)`);
  }

  // -- the strip

  build() {
    const strip = byId("strip");
    strip.replaceChildren();
    for (let z = 0; z < this.case.size[0]; z += 1) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-label", `Slice ${z + 1} of ${this.case.size[0]}`);
      const canvas = document.createElement("canvas");
      canvas.width = THUMBNAIL;
      canvas.height = THUMBNAIL;
      const number = document.createElement("span");
      number.textContent = z + 1;
      button.append(canvas, number);
      button.addEventListener("click", () => this.go(z));
      strip.append(button);
    }
    this.thumbs();
    this.mark();
  }

  /** Draw the small pictures of some slices anew, all by default. */
  thumbs(slices = [...Array(this.case.size[0]).keys()]) {
    for (const z of slices) {
      const canvas = byId("strip").children[z].firstChild;
      drawSmall(this.thumbnails, canvas, z, this.case, this.box, this.look);
    }
  }

  /** Draw some of them when there is time. */
  later(slices) {
    for (const z of slices) this.stale.add(z);
    const opened = this.case;
    setTimeout(() => {
      if (this.case !== opened) return;
      const due = [...this.stale];
      this.stale.clear();
      this.thumbs(due);
    }, 120);
  }

  mark() {
    const flagged = new Set(this.hooks.openSlices());
    [...byId("strip").children].forEach((button, z) => {
      button.setAttribute("aria-current", z === this.z ? "true" : "false");
      button.classList.toggle("open", flagged.has(z));
    });
    byId("strip").children[this.z]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

/** One slice with its outlines into a small canvas. */
export function drawSmall(painter, canvas, z, opened, box, look, width = 1) {
  const context = canvas.getContext("2d");
  const place = fitted(opened, box, canvas.width, canvas.height);
  const picture = painter.compose(z, opened.image.codes, { ...look, heat: null, tint: true });
  const [, rows, columns] = opened.size;
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, place.x(0), place.y(0), columns * place.scaleX, rows * place.scaleY);
  painter.outline(context, z, opened.labels, place, { width });
}

/** The smallest box of [top, bottom, left, right] around two; null stands for everything. */
function joined(one, other) {
  if (!one || !other) return null;
  return [Math.min(one[0], other[0]), Math.max(one[1], other[1]), Math.min(one[2], other[2]), Math.max(one[3], other[3])];
}

/** A box with room for smoothing and lines of its neighbours, inside the slice. */
function grown([top, bottom, left, right], rows, columns) {
  return [Math.max(0, top - 2), Math.min(rows - 1, bottom + 2), Math.max(0, left - 2), Math.min(columns - 1, right + 2)];
}
