"""What this machine has free, and how busy it is."""
