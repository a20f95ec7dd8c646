"""COCO: instances, keypoints, panoptic segments, and a model run's predictions as results.

In: rows of a split. Out: JSON documents that are written while they are read, and panoptic PNGs.
Doors: writer.
"""
