"""The demo on printed specimen cards, and the same for somebody's own pictures: upload, watch, compare, show."""
