"""The wardrobe: drawn garments, with counterfactuals for edits."""
