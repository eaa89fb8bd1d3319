"""The check of an import: it reads every file once and gives records, splits and the report."""
