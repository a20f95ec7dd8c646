"""Masks ↔ polygons, by the conventions of the tools that read them.

In: runs, or rings of vertices. Out: polygons along pixel edges (COCO) or through pixel centres (OpenCV), or runs of
what a polygon fills.
Doors: coco_polygons, contours, outlines, polygons.
"""
