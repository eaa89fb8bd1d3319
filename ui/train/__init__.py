"""The Train page: sections of its form, the sample beside it, clones and forks."""
