"""A made-up professional network, whose month goes through the front door as a product would send it."""
