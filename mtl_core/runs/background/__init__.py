"""Beside training: jobs of this process in threads, evaluations and preflights in processes, the engine's import, the program's end."""
