"""A study to look at: pictures, interactive figures, one HTML page."""
