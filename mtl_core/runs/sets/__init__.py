"""What runs need of the imported data sets: which runs wait for one, and whether this machine has it."""
