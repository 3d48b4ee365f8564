// The brush: a disc in millimetres that stays on its slice and snaps to nothing. One stroke, one decision.

import { runsOf } from "./runs.js";

export class Brush {
  constructor() {
    this.label = 1;
    this.radiusMm = 3;
    this.stroke = null;
  }

  get painting() { return this.stroke !== null; }

  begin(opened, z, y, x) {
    this.stroke = { opened, z, touched: new Map(), last: [y, x], label: this.label, box: [y, y, x, x] };
    this.dab(y, x);
  }

  /** Paint from where the mouse was to voxel (y, x), without gaps. */
  extend(y, x) {
    const [fromY, fromX] = this.stroke.last;
    const steps = Math.max(Math.abs(y - fromY), Math.abs(x - fromX), 1);
    for (let n = 1; n <= steps; n += 1) {
      this.dab(Math.round(fromY + ((y - fromY) * n) / steps), Math.round(fromX + ((x - fromX) * n) / steps));
    }
    this.stroke.last = [y, x];
  }

  dab(y, x) {
    const { opened, z, touched, label } = this.stroke;
    const [, rows, columns] = opened.size;
    const [, mmY, mmX] = opened.spacing;
    const { box } = this.stroke;
    const [reachY, reachX] = [Math.floor(this.radiusMm / mmY), Math.floor(this.radiusMm / mmX)];
    [box[0], box[1]] = [Math.min(box[0], y - reachY), Math.max(box[1], y + reachY)];
    [box[2], box[3]] = [Math.min(box[2], x - reachX), Math.max(box[3], x + reachX)];
    for (let dy = -reachY; dy <= reachY; dy += 1) {
      for (let dx = -reachX; dx <= reachX; dx += 1) {
        const inside = (dy * mmY) ** 2 + (dx * mmX) ** 2 <= this.radiusMm ** 2 || (dy === 0 && dx === 0);
        const [row, column] = [y + dy, x + dx];
        if (!inside || row < 0 || row >= rows || column < 0 || column >= columns) continue;
        const index = opened.index(z, row, column);
        if (opened.labels[index] === label) continue;
        if (!touched.has(index)) touched.set(index, opened.labels[index]);
        opened.labels[index] = label;
      }
    }
  }

  /** What was painted since the last call, as [top, bottom, left, right]. */
  fresh() {
    const [y, x] = this.stroke.last;
    const { box } = this.stroke;
    this.stroke.box = [y, y, x, x];
    return box;
  }

  /** The runs of the stroke, in file order; empty if it changed nothing. */
  end() {
    const { touched, label } = this.stroke;
    this.stroke = null;
    return runsOf(touched.keys(), label);
  }

  /** Take the unfinished stroke back. */
  cancel() {
    for (const [index, label] of this.stroke.touched) this.stroke.opened.labels[index] = label;
    this.stroke = null;
  }
}
