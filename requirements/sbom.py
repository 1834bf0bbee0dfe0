"""Writes the bill of materials of requirements.lock: what cyclonedx-py says, less every address of an index."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OUTPUT = Path("docs/sbom.cdx.json")


def main() -> None:
    """One CycloneDX component per locked package, with the hashes of the lock; the same bytes for the same lock."""
    said = subprocess.run(
        [
            str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", "requirements.lock", "--short-PURLs",
            "--output-reproducible", "--of", "JSON", "--no-validate",
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    document = json.loads(said.stdout)
    components = [
        {
            "type": item["type"],
            "bom-ref": item["purl"],
            "name": item["name"],
            "version": item["version"],
            "purl": item["purl"],
            "hashes": [entry for reference in item["externalReferences"] for entry in reference.get("hashes", [])],
        }
        for item in document["components"]
    ]
    bill = {
        "bomFormat": document["bomFormat"],
        "specVersion": document["specVersion"],
        "version": 1,
        "components": sorted(components, key=lambda item: item["purl"]),
    }
    OUTPUT.write_text(json.dumps(bill, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
