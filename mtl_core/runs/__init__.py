"""The run store, jobs that fill it, and what can be read back. Importing anything here costs no torch."""
