"""What predictions are measured by while a run trains."""
