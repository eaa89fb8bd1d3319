"""Training of one run in several processes: their start, what they tell each other, and normalisation over the whole batch."""
