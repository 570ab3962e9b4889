"""Places where post to us lies: Digital Post itself, and mailboxes that carry forwarded post."""
