"""Rows grouped into stable buckets, and one bucket's way: lines → records → masks and images → tables and a pack."""
