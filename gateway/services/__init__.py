"""The verbs, in the order post meets them."""
