"""Street scenes, drawn from a seed: what stands in a picture, as pixels and as masks.

In: a number. Out: a scene, its picture, and its map of instances.
Doors: drawing, scene, things.
"""
