"""PNG bytes → runs, checked before any memory is taken for pixels.

In: the bytes of an instance mask or of a composite, the image's size, and limits. Out: runs, one for each colour that
is asked for; or a ``MaskError`` by name.
Doors: compiling, composite, encode, instance, png.
"""
