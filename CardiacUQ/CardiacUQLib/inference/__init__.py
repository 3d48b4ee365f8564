"""From a volume and a bundle to labels, uncertainty maps and corrections on the grid of the volume."""
