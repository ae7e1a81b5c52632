"""May an uploaded image be used, and why not: ``judge_upload.py upload.qcow2``."""

import sys

import diskchain

try:
    report = diskchain.check(sys.argv[1], policy=diskchain.UPLOAD)
except diskchain.DiskchainError as error:
    sys.exit(f"refused: {error}")
for finding in report.findings:
    if finding.severity != "info":
        print(f"{finding.severity}: {finding.message} [{finding.id}]")
print("accepted" if report.verdict == "clean" else "refused")
sys.exit(report.verdict != "clean")
