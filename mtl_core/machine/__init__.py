"""What this machine has free, how busy it is, and the streams of a process where nobody reads them."""
