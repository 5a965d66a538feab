"""What environments hold as one page to look at: its data, and the page as a function of them."""
