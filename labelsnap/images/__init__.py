"""Image files as containers, read without decoding a pixel: whether they are whole, and turned by their readers.

A seekable file goes in; out come whether it is whole, which orientation its readers see, and what must be written where
for them to see the pixels as they are stored. Compressed pixels are never touched. Whatever the bytes are, nothing is
raised but ``ImageDamagedError``, and memory does not grow with the file. One module a container; ``containers`` tells
them apart.
Doors: containers, cost, exif, files, orientation, webp.
"""
