"""The Compare and Race pages."""
