"""What describes a whole dataset: its census, what formats lose of it, its card, and Croissant.

In: the tables of a snapshot's buckets, counted. Out: numbers, Markdown, JSON-LD.
Doors: advice, card, census, croissant, facts, losses, narrowing.
"""
