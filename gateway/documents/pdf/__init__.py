"""PDF files: opened, read, made plain, cut and rid of numbers. The home of pypdf, pypdfium2 and pikepdf.

``pages``    pypdf: whether it opens, how many pages, and what it holds besides pages
``plain``    qpdf, through pikepdf: one plain file without anything that belongs to the document and not to its pages
``seen``     PDFium: the numbers on each page with their places, page marks, markers
``cut``      letters out of a plain file, as slices of its bytes
``removal``  numbers taken out of the content of pages
"""
