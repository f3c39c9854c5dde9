"""Names of the priors that come with this library."""

#: The prior for color images, and the one for all others, where none is chosen.
NATURAL_COLOR, NATURAL_GRAY = "natural-color", "natural-gray"
SHIPPED = (NATURAL_COLOR, NATURAL_GRAY, "natural-gray-small", "berkeley-gray")
