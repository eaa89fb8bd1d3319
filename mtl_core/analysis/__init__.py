"""Analysis of runs and data sets: numbers and sentences from recorded data. Imports no torch."""
