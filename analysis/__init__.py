"""What is made of results: references to compare with, and figures; reads result files alone."""
