"""The Predictions page: which images, sorted by error, one of them large, the user's own."""
