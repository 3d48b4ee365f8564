"""From files and DICOM series to checked arrays with their geometry."""
