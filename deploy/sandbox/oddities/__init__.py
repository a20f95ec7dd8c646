"""Lines that are odd, as real exports have them, put between the rows of an export when they are asked for.

In: a line of the sample project. Out: lines that are right and look odd, and lines that are wrong.
Doors: odd_pictures, odd_rows, oddities.
"""
