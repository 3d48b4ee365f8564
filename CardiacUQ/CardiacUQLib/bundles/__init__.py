"""Model bundles: what a manifest says, its classes and colours, and reading the weights it names."""
