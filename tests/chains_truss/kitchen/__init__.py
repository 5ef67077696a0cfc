"""A package that lies beside the chains."""
