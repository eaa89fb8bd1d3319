"""What runs say when they are looked at together or closely. Data in, numbers and sentences out; no torch."""
