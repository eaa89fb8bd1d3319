"""Runs that are killed, stopped and disturbed: nothing may be lost."""
