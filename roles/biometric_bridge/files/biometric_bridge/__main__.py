"""Run the bridge on PORT, by default 8888: `python -m biometric_bridge`."""

from __future__ import annotations

import os
import sys

import uvicorn
from auren_common.environment import SettingsError
from auren_common.logs import configure

from biometric_bridge.app import create_app
from biometric_bridge.settings import from_environment


def main() -> None:
    """Serve until SIGTERM; requests in flight get five seconds. Exit status 2 when the environment is unusable."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"biometric bridge: {error}")
    configure(settings.log_level, settings.secrets)
    uvicorn.run(
        create_app(settings),
        host="0.0.0.0",
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
    )


if __name__ == "__main__":
    main()
