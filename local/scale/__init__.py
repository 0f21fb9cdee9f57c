"""What a million cards a day need: measured calls, published prices, and a simulation of the queue.

Writes the tables of docs/scale.md. Never packaged.
"""
