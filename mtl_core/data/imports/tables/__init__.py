"""Tables of labels: reading of rows from each kind of file, the meaning of cells, and guesses about columns."""
