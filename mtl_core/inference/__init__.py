"""A trained network outside its run: loaded from the store or from an exported folder, asked about any image."""
