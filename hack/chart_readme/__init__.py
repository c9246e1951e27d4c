"""The README of the chart, from the comments of its values."""
