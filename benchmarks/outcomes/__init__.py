"""What trained networks reach, and how far a comparison of them can be trusted."""
