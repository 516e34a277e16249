"""Every snippet of the developer guide as Python that runs, one file a chapter, in the guide's order.

A chapter begins with the code that a reader is to see; what a test does with it stands below.
"""
