"""What we remember: the vault (bytes) and the ledger (rows)."""
