"""Numbers beside those of papers and of other programs."""
