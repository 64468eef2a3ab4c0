"""The page: a report as one offline HTML file."""
