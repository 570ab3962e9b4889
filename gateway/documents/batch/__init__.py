"""Merged PDFs: which pages are whose.

``manner``   how a flow wants its merged files divided
``place``    where on the page the recipient's number stands, learned over the batch
``divide``   pages to letters, and what makes each uncertain
``guard``    what looks wrong about the letters of one batch beside each other
``listed``   a list of recipients that came with the file
``split``    the whole way from a file to pieces of it
``letters``  the letters of those pieces, and why a person must look first
"""
