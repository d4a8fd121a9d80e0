"""The wardrobe: a data set of drawn garments, each with counterfactuals for its edits."""
