// The large slice: where voxels lie on the screen, and what wheel and mouse do to it.

const MARGIN = 0.14;
const SMALLEST_MM = 70;
const CLOSEST = 24;

/** Place of voxels on a canvas: pixels per voxel along x and y, and where voxel 0 begins. */
export class Placement {
  constructor(scaleX, scaleY, originX, originY, width, height) {
    Object.assign(this, { scaleX, scaleY, originX, originY });
    this.left = Math.floor(-originX / scaleX);
    this.top = Math.floor(-originY / scaleY);
    this.right = Math.ceil((width - originX) / scaleX);
    this.bottom = Math.ceil((height - originY) / scaleY);
  }

  x(column) { return this.originX + column * this.scaleX; }

  y(row) { return this.originY + row * this.scaleY; }

  /** The same for lines of a part [top, bottom, left, right] of the slice only. */
  within([top, bottom, left, right]) {
    const part = Object.assign(Object.create(Placement.prototype), this);
    part.top = Math.max(this.top, top - 1);
    part.bottom = Math.min(this.bottom, bottom + 1);
    part.left = Math.max(this.left, left - 1);
    part.right = Math.min(this.right, right + 1);
    return part;
  }

  voxel(px, py) {
    return [Math.floor((py - this.originY) / this.scaleY), Math.floor((px - this.originX) / this.scaleX)];
  }
}

/** Box of all labels, in voxels: [top, bottom, left, right]; null where there are none. */
export function heartBox(opened) {
  const [slices, rows, columns] = opened.size;
  let [top, bottom, left, right] = [rows, -1, columns, -1];
  for (let z = 0; z < slices; z += 1) {
    for (let y = 0; y < rows; y += 1) {
      let index = opened.index(z, y, 0);
      for (let x = 0; x < columns; x += 1, index += opened.steps[2]) {
        if (!opened.labels[index]) continue;
        if (y < top) top = y;
        if (y > bottom) bottom = y;
        if (x < left) left = x;
        if (x > right) right = x;
      }
    }
  }
  return bottom < 0 ? null : [top, bottom, left, right];
}

/** Placement that shows a box of voxels, or the whole slice, as large as it fits. */
export function fitted(opened, box, width, height) {
  const [, rows, columns] = opened.size;
  const [, mmY, mmX] = opened.spacing;
  const [top, bottom, left, right] = box ?? [0, rows - 1, 0, columns - 1];
  const margin = box ? 1 + 2 * MARGIN : 1;
  const needX = Math.max((right - left + 1) * mmX * margin, box ? SMALLEST_MM : 0);
  const needY = Math.max((bottom - top + 1) * mmY * margin, box ? SMALLEST_MM : 0);
  const perMm = Math.min(width / needX, height / needY, CLOSEST / Math.min(mmX, mmY));
  const [scaleX, scaleY] = [perMm * mmX, perMm * mmY];
  const originX = width / 2 - ((left + right + 1) / 2) * scaleX;
  const originY = height / 2 - ((top + bottom + 1) / 2) * scaleY;
  return new Placement(scaleX, scaleY, originX, originY, width, height);
}

/** The same placement, larger or smaller by `factor` around a point. */
export function zoomed(place, factor, px, py, width, height) {
  return new Placement(
    place.scaleX * factor, place.scaleY * factor,
    px - (px - place.originX) * factor, py - (py - place.originY) * factor, width, height,
  );
}

/** The same placement, moved. */
export function moved(place, dx, dy, width, height) {
  return new Placement(place.scaleX, place.scaleY, place.originX + dx, place.originY + dy, width, height);
}
