"""Tables of labels: how their rows are read from each kind of file, what their cells mean, and what a look makes of their columns."""
