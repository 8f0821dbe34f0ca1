"""Object detection as GoogLeNet's ILSVRC-2014 entry did it.

The way of an image, folder by folder: `data` decodes it; `proposals` says where to look; `backbone` is the network
that looks; `detector` puts them together, refines the boxes and suppresses the doubles; `eval` judges the result.
"""
