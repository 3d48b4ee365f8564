"""Any two opinions on one image, readers or models of any organ, as a case that is reviewed like our own."""
