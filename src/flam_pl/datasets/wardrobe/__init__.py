"""The wardrobe: an embedded data set of drawn garments, with everything known about each of them.

Published data sets do not know how an item would look with one attribute changed. Here
``Garment.changed`` draws this counterfactual, so that a search by edit can be judged exactly.
"""
