"""What the people of the network care about: topics, and the interests that make some go together."""

from collections.abc import Mapping

# Each topic's skills: the words of searches, jobs and profiles.
TOPICS: Mapping[str, tuple[str, ...]] = {
    "machine learning": ("pytorch", "feature stores", "model serving", "transformers"),
    "data engineering": ("spark", "airflow", "dbt", "streaming"),
    "databases": ("postgres", "query planning", "replication", "storage engines"),
    "cloud": ("terraform", "kubernetes", "serverless", "observability"),
    "security": ("threat modelling", "identity", "cryptography", "incident response"),
    "web": ("typescript", "react", "accessibility", "web performance"),
    "mobile": ("swift", "kotlin", "offline sync", "release trains"),
    "design": ("design systems", "user research", "prototyping", "typography"),
    "product": ("roadmaps", "pricing", "discovery", "metrics"),
    "robotics": ("ros", "motion planning", "slam", "control"),
    "embedded": ("rust", "rtos", "firmware", "low power"),
    "climate": ("carbon accounting", "energy grids", "heat pumps", "remote sensing"),
}

# Hidden: nothing that is sent names them. A person has one or two.
INTERESTS: Mapping[str, Mapping[str, float]] = {
    "learning from data": {"machine learning": 5, "data engineering": 3, "databases": 1},
    "systems that stay up": {"databases": 4, "cloud": 4, "security": 2},
    "what people touch": {"design": 4, "web": 3, "mobile": 3},
    "things that move": {"robotics": 5, "embedded": 4, "machine learning": 1},
    "a company that works": {"product": 5, "design": 2, "data engineering": 1},
    "a cooler planet": {"climate": 6, "embedded": 2, "data engineering": 1},
}

# So much of what is published is about each: some topics are in fashion.
FASHION: Mapping[str, float] = {topic: 1.6 - 0.1 * place for place, topic in enumerate(TOPICS)}
