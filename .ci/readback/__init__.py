"""An independent reading of a raw folder, compared with the lake that lakebed made of it. See ../readback.py."""


class Unsupported(Exception):
    """The readback does not know this setting or input, so it cannot say what is right."""


class Rejected(Exception):
    """A record that must be in quarantine. More than one code where either of two reasons may be named first."""

    def __init__(self, *codes, column=None):
        super().__init__(", ".join(codes))
        self.codes = set(codes)
        self.column = column
