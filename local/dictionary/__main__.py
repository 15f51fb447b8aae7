"""DATABASE_URL=… python -m local.dictionary > docs/data.md"""

import os
import sys

from footfall.database import connect
from footfall.errors import MissingSettingError
from footfall.settings import Settings
from local.dictionary import dictionary


def main() -> None:
    try:
        with connect(Settings(os.environ).database_url) as connection:
            sys.stdout.write(dictionary(connection))
    except MissingSettingError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
