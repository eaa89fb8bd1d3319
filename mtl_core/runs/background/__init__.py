"""Work beside training: jobs of this process in threads, and evaluations and preflights in processes of their own."""
