"""What a person waits for: the start, the first curve, a page, an imported set."""
