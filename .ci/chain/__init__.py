"""The deployed system without AWS: see ../chain.py. `stack` is also what ../template.py judges.

Whoever runs this may have settings for AWS of their own. None of them is meant for here, so they are put aside.
"""

import os

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_CONFIG_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)
