"""The page of studies: making one, watching its cells, reading its answer."""
