"""Brings a Superset home up to date: metadata database, roles, the administrator, and the assets.

Runs in Superset's own environment, started by scripts/bi.py; one process does what four `superset` commands would.
The administrator's password comes from BESTAND_SUPERSET_PASSWORD.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from superset.app import create_app


def main(assets: Path, user_name: str) -> None:
    """Imports every YAML file below `assets`, replacing what an earlier import has left."""
    app = create_app()
    with app.app_context():
        from flask_migrate import upgrade
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.extensions import appbuilder, db, security_manager
        from superset.utils.core import override_user

        upgrade()
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        db.session.commit()

        password = os.environ["BESTAND_SUPERSET_PASSWORD"]
        user = security_manager.find_user(user_name)
        if user is None:
            role = security_manager.find_role("Admin")
            user = security_manager.add_user(user_name, "Bestand", "Admin", "admin@localhost", role, password)
        else:
            security_manager.reset_password(user.id, password)
        with override_user(user):
            contents = {str(file.relative_to(assets)): file.read_text("utf-8") for file in assets.rglob("*.yaml")}
            ImportAssetsCommand(contents).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
