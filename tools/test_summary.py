"""Adds up the JUnit files of one test run and prints pytest's closing line for all of them.

Usage: ``python tools/test_summary.py <folder with *.xml>``. Exits 1 when a test failed or when no
test was executed (skipped tests do not count as executed).
"""

import sys
from pathlib import Path
from xml.etree import ElementTree


def totals(folder: Path) -> tuple[dict[str, int], float]:
    """Counts by outcome over all suites in ``folder``, and their wall-clock seconds added up."""
    counts = {"failed": 0, "passed": 0, "skipped": 0, "errors": 0}
    seconds = 0.0
    for path in sorted(folder.glob("*.xml")):
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            tests, failed, errors, skipped = (
                int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")
            )
            counts["failed"] += failed
            counts["errors"] += errors
            counts["skipped"] += skipped
            counts["passed"] += tests - failed - errors - skipped
            seconds += float(suite.get("time", "0"))
    return counts, seconds


def main(folder: Path) -> int:
    """Prints the closing line; 0 when something passed and nothing failed."""
    counts, seconds = totals(folder)
    shown = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    shown = shown.replace("1 errors", "1 error") if counts["errors"] == 1 else shown
    line = f" {shown or 'no tests ran'} in {seconds:.2f}s "
    print(f"{line:=^80}")
    if counts["passed"] + counts["failed"] + counts["errors"] == 0:
        print("tests: expected at least one executed test, got none.", file=sys.stderr)
        return 1
    return int(counts["failed"] + counts["errors"] > 0)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
