"""Around every page: frame, status bar, session state, forms, words for numbers."""
