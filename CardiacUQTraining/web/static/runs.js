// Run-length codes: triples of flat index, number of voxels and value, in the order of the case folder's files.

/** Fill a typed array of `size` voxels from packed int32 triples. */
export function unpacked(buffer, size, Type) {
  const runs = new Int32Array(buffer);
  const array = new Type(size);
  for (let n = 0; n < runs.length; n += 3) array.fill(runs[n + 2], runs[n], runs[n] + runs[n + 1]);
  return array;
}

/** Write runs [[start, count, label], ...] into an array. */
export function apply(array, runs) {
  for (const [start, count, label] of runs) array.fill(label, start, start + count);
}

/** Runs of the voxels of a set of flat indices, all of one label. */
export function runsOf(indices, label) {
  const sorted = Int32Array.from(indices).sort();
  const runs = [];
  for (const index of sorted) {
    const last = runs[runs.length - 1];
    if (last && last[0] + last[1] === index) last[1] += 1;
    else runs.push([index, 1, label]);
  }
  return runs;
}
