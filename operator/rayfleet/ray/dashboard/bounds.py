"""How much of a dashboard's answer is read. No I/O here.

A head runs its users' code, and what it answers is kept until the job has ended. A megabyte of the worst JSON
takes 11 ms to read.
"""

from typing import Final

LARGEST_LIST: Final = 1 << 20
"""Bytes of a list of jobs: 2,000 of them, which a head needs almost a second to list."""
LARGEST_JOB: Final = 256 << 10
"""Bytes of one job, most of it its runtime environment."""
LARGEST_REFUSAL: Final = 64 << 10
"""Bytes of an answer that reports a failure; what follows is not read."""
MOST_OBJECTS: Final = 20_000
"""Opening braces in a list, of which each may be a job; Ray writes three or four for one."""
LONGEST_ID: Final = 256
"""Characters of a submission id; a job with a longer one is ignored."""
LONGEST_STATUS: Final = 32
LONGEST_MESSAGE: Final = 4096
"""Characters of what Ray says about a job. It ends with the driver's last lines, so the middle is cut."""
LARGEST_MESSAGE: Final = 64 << 10
"""Characters of a message that are read at all: Ray shows 20,000 of a driver's last lines."""
MESSAGE_START: Final = 1024
"""Characters kept of the start of a message that is cut."""
LONGEST_ERROR_TYPE: Final = 256
LONGEST_NAME: Final = 128
"""Characters of the id of a node or of a driver."""
LATEST_MS: Final = 1e14
"""Milliseconds since 1970: a later time is not believed."""
LARGEST_EXIT_CODE: Final = 2**31 - 1
SHOWN: Final = 200
"""Characters shown of a failure."""
