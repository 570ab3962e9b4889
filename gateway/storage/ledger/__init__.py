"""The ledger, one module per verb; ``storage.store`` puts them together."""
