"""What failed once, sent again."""
