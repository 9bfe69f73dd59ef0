"""What tests in a browser get: a page, and a served house."""

from tests.browser import browser, context, house, page, url

__all__ = ["browser", "context", "house", "page", "url"]
