"""The alerts of the chart, and the reference page that lists them."""
