"""The run store, the queue that fills it, and its readers. No module here imports torch when it is imported."""
