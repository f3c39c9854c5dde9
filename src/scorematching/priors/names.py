"""Names of the priors that come with this library."""

#: Default priors: for color images, and for grayscale images.
NATURAL_COLOR, NATURAL_GRAY = "natural-color", "natural-gray"
SHIPPED = (NATURAL_COLOR, NATURAL_GRAY, "natural-gray-small", "berkeley-gray")
