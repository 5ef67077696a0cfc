"""The chains that come with Chainlets, one folder each. Copy `hello` to begin your own."""
