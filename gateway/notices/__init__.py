"""What we write back."""
