"""Charts, contact sheets and the large view of one image, used by several pages."""
