// Draws one slice: grey values, heat map and tints as pixels, outlines as lines that stay sharp at any zoom.

const TINT = 0.25;
const FADE = 0.2;
const BAND = 0.12;
const WHITE = "#ffffff";
const HALO = "rgba(0, 0, 0, 0.65)";

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** 256 colours with opacity for the codes of a map; nothing below `threshold` (a share of the scale). */
export function heatTable(stops, threshold, opacity) {
  const colours = stops.map(channels);
  const table = new Float32Array(256 * 4);
  for (let code = 0; code < 256; code += 1) {
    const share = code / 255;
    const place = Math.min(share * (colours.length - 1), colours.length - 1.001);
    const [low, part] = [Math.floor(place), place % 1];
    for (let c = 0; c < 3; c += 1) table[code * 4 + c] = colours[low][c] * (1 - part) + colours[low + 1][c] * part;
    table[code * 4 + 3] = share < threshold || code === 0 ? 0 : opacity * Math.min(1, 0.35 + (share - threshold) / FADE);
  }
  return table;
}

export class Painter {
  constructor(opened) {
    this.case = opened;
    this.colours = [];
    for (const info of opened.classes) this.colours[info.value] = channels(info.colour);
    [, this.rows, this.columns] = opened.size;
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.columns;
    this.canvas.height = this.rows;
    this.context = this.canvas.getContext("2d");
    this.pixels = this.context.createImageData(this.columns, this.rows);
  }

  /** Pixels of slice z, or of its part [top, bottom, left, right], of the codes `grey`; `look` says how. */
  compose(z, grey, look, part = null) {
    const { case: opened, colours, columns, rows } = this;
    const [top, bottom, left, right] = part ?? [0, rows - 1, 0, columns - 1];
    const out = this.pixels.data;
    const { low, step } = opened.image;
    const scale = 255 / Math.max(look.high - look.low, 1e-9);
    const shift = (low - look.low) * scale;
    const slope = step * scale;
    const { labels, final } = opened;
    const heat = look.heat;
    const stepX = opened.steps[2];
    for (let y = top; y <= bottom; y += 1) {
      let index = opened.index(z, y, left);
      let at = (y * columns + left) * 4;
      for (let x = left; x <= right; x += 1, index += stepX, at += 4) {
        const value = grey[index] * slope + shift;
        let r = value < 0 ? 0 : value > 255 ? 255 : value;
        let g = r;
        let b = r;
        if (heat) {
          const entry = heat.codes[index] * 4;
          const alpha = heat.table[entry + 3];
          if (alpha) {
            r += (heat.table[entry] - r) * alpha;
            g += (heat.table[entry + 1] - g) * alpha;
            b += (heat.table[entry + 2] - b) * alpha;
          }
        }
        if (look.tint && final && labels[index] !== final[index]) {
          const colour = colours[labels[index]];
          r += (colour[0] - r) * TINT;
          g += (colour[1] - g) * TINT;
          b += (colour[2] - b) * TINT;
        }
        out[at] = r;
        out[at + 1] = g;
        out[at + 2] = b;
        out[at + 3] = 255;
      }
    }
    this.context.putImageData(this.pixels, 0, 0, left, top, right + 1 - left, bottom + 1 - top);
    return this.canvas;
  }

  /** Outline of every class of slice z, each inside its own voxels. `view` places voxels on the context. */
  outline(context, z, labels, view, { width = 2, dash = [] } = {}) {
    const paths = new Map();
    const inset = width / 2;
    this.edges(z, view, (index) => labels[index], (label, x0, y0, x1, y1) => {
      if (!label) return;
      if (!paths.has(label)) paths.set(label, new Path2D());
      paths.get(label).moveTo(x0, y0);
      paths.get(label).lineTo(x1, y1);
    }, inset);
    context.save();
    context.lineWidth = width;
    context.lineCap = "square";
    context.setLineDash(dash);
    for (const [label, path] of paths) {
      context.strokeStyle = `rgb(${this.colours[label].join(",")})`;
      context.stroke(path);
    }
    context.restore();
  }

  /** A contour band of slice z: both of its contours, and a weak tint between them. */
  band(context, z, codes, colour, view, width) {
    const lines = new Path2D();
    const between = new Path2D();
    const within = (index) => (codes[index] === 1 ? 1 : 0);
    this.edges(z, view, within, (_, x0, y0, x1, y1) => {
      lines.moveTo(x0, y0);
      lines.lineTo(x1, y1);
    }, 0, (x, y, w, h) => between.rect(x, y, w, h));
    context.save();
    context.fillStyle = context.strokeStyle = colour;
    context.globalAlpha = BAND;
    context.fill(between);
    context.globalAlpha = 1;
    context.lineWidth = width;
    context.stroke(lines);
    context.restore();
  }

  /** White outline with a dark halo around the voxels of one region. */
  region(context, z, number, view, width = 2) {
    if (!number || !this.case.regions) return;
    const path = new Path2D();
    this.edges(z, view, (index) => (this.case.regions[index] === number ? 1 : 0), (inside, x0, y0, x1, y1) => {
      if (!inside) return;
      path.moveTo(x0, y0);
      path.lineTo(x1, y1);
    }, 0);
    context.save();
    context.lineCap = "square";
    for (const [colour, thick] of [[HALO, width + 2], [WHITE, width]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick;
      context.stroke(path);
    }
    context.restore();
  }

  /** Call `line` for every side of a voxel behind which another value lies, moved inwards by `inset`, and
   * `area` for every voxel with a value. */
  edges(z, view, value, line, inset, area = null) {
    const { columns, rows } = this;
    const [x0, x1] = [Math.max(0, view.left), Math.min(columns - 1, view.right)];
    const [y0, y1] = [Math.max(0, view.top), Math.min(rows - 1, view.bottom)];
    const [, stepY, stepX] = this.case.steps;
    for (let y = y0; y <= y1; y += 1) {
      let index = this.case.index(z, y, x0);
      for (let x = x0; x <= x1; x += 1, index += stepX) {
        const here = value(index);
        if (!here) continue;
        const [left, right] = [view.x(x), view.x(x + 1)];
        const [top, bottom] = [view.y(y), view.y(y + 1)];
        if (area) area(left, top, right - left, bottom - top);
        if (y === 0 || value(index - stepY) !== here) line(here, left + inset, top + inset, right - inset, top + inset);
        if (y === rows - 1 || value(index + stepY) !== here) line(here, left + inset, bottom - inset, right - inset, bottom - inset);
        if (x === 0 || value(index - stepX) !== here) line(here, left + inset, top + inset, left + inset, bottom - inset);
        if (x === columns - 1 || value(index + stepX) !== here) line(here, right - inset, top + inset, right - inset, bottom - inset);
      }
    }
  }
}
