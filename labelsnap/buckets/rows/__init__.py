"""One row of a bucket: taken over of what stands, or its image and masks fetched and checked.

In: parsed rows, what an earlier snapshot has of them, connections. Out: samples, packed images, problems by name.
Doors: fetch, held, images, made, one, outcome, reuse, several, told, worn.
"""
