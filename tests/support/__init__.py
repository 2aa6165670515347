"""What several tests share: helpers, rows, programs of their own."""
