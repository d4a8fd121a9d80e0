"""Search as a product: bundle, searcher, index, service and page."""
