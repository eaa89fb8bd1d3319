"""Alerts of a run that trains: values that are not finite, thresholds that people set, stalls, a disk that is nearly full."""
