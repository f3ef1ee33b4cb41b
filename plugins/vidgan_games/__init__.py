"""Games: which networks there are, and the phases in which they are trained."""
