"""The wardrobe: a data set of drawn garments.

``Garment.changed`` is the counterfactual of an item, by which a search by edit is judged exactly.
"""
