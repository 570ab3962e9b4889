"""Ways out: sending and archiving are both shipments."""
