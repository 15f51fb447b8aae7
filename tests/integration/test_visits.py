"""Sessions that the server makes: a function of the set of events, whatever their way into the tables."""

import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from footfall.database import Database, Transaction, connect
from footfall.errors import DatabaseUnavailableError
from functions.session import visits, writing
from functions.session.relinking import work_off
from functions.session.writing import QUERIES, write
from local.postgres.roles import let_in
from tests.integration import expectation
from tests.integration.deliveries import AGENTS, BASE, Choose, Record, prepared

DEVICES = tuple(str(uuid5(NAMESPACE_OID, f"device {number}")) for number in range(3))
USERS = tuple(str(uuid5(NAMESPACE_OID, f"person {number}")) for number in range(2))
# How many events come one after the other, how many minutes apart: moments, visits, days without a pause.
RUNS = ((1, 1), (1, 1), (2, 29.99), (3, 30), (4, 10), (6, 25), (49, 29.5), (50, 29.5), (70, 29))
STARTS = (0, 0, 0, 10, 29, 30, 31, 55, 60, 90, 12 * 60, 23 * 60 + 59, 24 * 60, 25 * 60, 48 * 60)
