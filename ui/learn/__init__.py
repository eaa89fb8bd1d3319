"""The Learn page: the plane and the gradients drawn by hand."""
