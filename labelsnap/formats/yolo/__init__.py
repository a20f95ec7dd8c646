"""YOLO, as Ultralytics trains on it: text files beside images, or images in folders by class.

In: rows of a split. Out: text files, ``data.yaml``, images.
Doors: writer.
"""
