"""Make this checkout importable in the environment that runs this script, and give it the `creditflow` command.

Does what an editable install does, without a build backend and without the network.
"""

import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

Path(sysconfig.get_path("purelib"), "creditflow.pth").write_text(f"{CHECKOUT}\n", encoding="utf-8")
command = Path(sys.executable).with_name("creditflow")
command.write_text(
    f"#!{sys.executable}\nimport sys\n\nfrom creditflow.cli import main\n\nsys.exit(main())\n", encoding="utf-8"
)
command.chmod(0o755)
