"""What is measured and said before a run trains: a trial of its first batch, its memory, its time."""
