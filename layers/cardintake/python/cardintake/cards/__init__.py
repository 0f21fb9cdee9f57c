"""The normalised card: its models, dates and identity numbers. Imports nothing else of ours."""
