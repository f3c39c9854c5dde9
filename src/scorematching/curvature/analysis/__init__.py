"""What the structure of a graph says about its curvature."""
