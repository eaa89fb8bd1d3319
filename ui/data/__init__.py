"""The Data page: sets, pictures, numbers, preprocessing."""
