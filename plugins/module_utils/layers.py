# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The five layers of the architecture diagram, in the order in which a request passes them. A declared service says which is its own."""

from __future__ import annotations

USER, FRONTEND, BACKEND, DATA, MONITORING = LAYERS = ("user", "frontend", "backend", "data", "monitoring")
