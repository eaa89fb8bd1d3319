"""The first look at a folder or zip: what is there, what it seems to be, what has to be asked."""
