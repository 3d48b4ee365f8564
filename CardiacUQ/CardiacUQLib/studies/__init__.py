"""From scans to case folders: segment, measure, report and write, of one scan or of a whole cine study."""
