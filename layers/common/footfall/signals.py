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
PRIOR = (0.6, 0.4, 0.6, 0.4, 0.2, 0.8, 0.8, 0.6, 0.8, 0.8, 0.8, 1.0, 1.0)
# A signal counts as log(FLOOR + its share of the strongest candidate's).
FLOOR = 0.1

# The visitor's latest content, and by how many places its weight halves.
SEEDS, FADES = 20, 5.0
# Of each seed so many of who met it in so many days; of all these visits the best; of each so many meetings
# before and after it, each further one weighing less by so much.
LIVE_VISITORS, LIVE_DAYS, LIVE_VISITS, LIVE_NEXT, LIVE_STEP = 60, 90, 100, 10, 0.8
