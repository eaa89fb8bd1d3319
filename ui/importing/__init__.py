"""The steps of an import, from files to a set in the store."""
