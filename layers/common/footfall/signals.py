"""What a feed weighs: the signals in their order, which the serving SQL, learning and evaluation share."""

# Half-lives of trends, in hours, as content_items has columns of them.
HALF_LIVES = (3, 12, 24, 168, 1440)
SIGNALS = (
    *(f"trend_{hours}" for hours in HALF_LIVES),
    "newest",
    "next",
    "before",
    "alike",
    "live",
    "type",
    "attribute",
    "author",
)
# What counts until a deployment has learned its own; the last two, which no interaction says, always.
PRIOR = (0.3, 0.2, 0.3, 0.2, 0.1, 0.4, 0.4, 0.3, 0.4, 0.4, 0.4, 0.5, 0.5)
# A signal counts as log(FLOOR + its share of the strongest candidate's).
FLOOR = 0.01

# The visitor's latest content, and by how many places its weight halves.
SEEDS = 20
NEXT_FADES, ALIKE_FADES, LIVE_FADES = 5.0, 10.0, 2.0
# Of each of so many latest seeds, so many visitors, and so many of what each met next.
LIVE_SEEDS, LIVE_VISITORS, LIVE_NEXT = 5, 10, 5
