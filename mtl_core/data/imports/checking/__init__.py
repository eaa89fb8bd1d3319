"""Every file read once: records, splits, and the report of what was found."""
