"""Self-supervised tasks: the target is made from the image."""
