"""One line for each check, as it is made."""

SHOWN = 8  # differences printed for one check


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def title(self, text):
        print(f"== {text}", flush=True)

    def note(self, text):
        print(f"    {text}", flush=True)

    def check(self, title, differences):
        """Passes when there is no difference. Each is one line for a person."""
        differences = [differences] if isinstance(differences, str) else [str(line) for line in differences]
        if not differences:
            self.passed += 1
            print(f"ok     {title}", flush=True)
            return True
        self.failed += 1
        more = [f"... and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        print("\n       ".join([f"FAILED {title}", *differences[:SHOWN], *more]), flush=True)
        return False

    def equal(self, title, wanted, found):
        return self.check(title, [] if wanted == found else [f"wanted {wanted!r}", f"found  {found!r}"])

    def finish(self):
        """Prints the sum; the exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
