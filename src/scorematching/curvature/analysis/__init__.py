"""Structure of a graph, exactness of the diagonal recursion on it, and cost of each curvature method."""
