"""The first look at a folder or zip: its files, the guessed formats and tasks, the open questions."""
