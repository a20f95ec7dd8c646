"""Masks as runs down their columns: COCO's compressed RLE, with the area and box that follow from it.

In: runs, outlines. Out: runs, or what is drawn of them. Rooms beside: ``decoding`` (PNG → runs), ``shapes`` (runs ↔
polygons), ``rasters`` (many masks on one image). Pixels, x right, y down; arrays are (height, width).
Doors: errors, runs, toggles.
"""
