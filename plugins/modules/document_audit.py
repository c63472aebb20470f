#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is what a document says of this host true?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: document_audit
short_description: Is what a document says of a Docker host true
version_added: 0.1.0
description:
  - Reads an architecture document in Markdown (tables, text, lists, code blocks, Mermaid flow charts) and compares each thing that it
    claims of containers, images, ports, addresses, networks, URLs, volumes, environment, dependencies, monitoring, health and numbers with
    the host as it is now.
  - A claim is V(true), V(false), or V(unprovable) where nothing on the host decides it; nothing is guessed. What a document says of the
    past, of plans and of conditions is never V(false).
  - What a document contradicts itself in, services that it leaves out, tags and addresses that do not last, and secrets in clear text
    count as false. A secret is named by its line and kind, and is neither in the result nor in a log.
  - Changes nothing, on the host and in the document.
extends_documentation_fragment: [auren.stack.common]
options:
  text:
    description: The document itself.
    type: str
    required: true
  path:
    description: The document's name, for messages.
    type: str
    default: ""
  project_dir:
    description: Directory of the project on the host.
    type: path
    default: /opt/auren/docker
  declared:
    description:
      - The services as roles declare them. Empty for those that C(site) has put on this host; where there are none, the containers alone
        are compared.
    type: list
    elements: dict
    default: []
  network:
    description: The network of the stack.
    type: str
    default: auren-network
  verification:
    description:
      - RV(auren.stack.service_verification#module:checks) of M(auren.stack.service_verification) in the same play, for what the document
        says of health and of arrows. Empty leaves what only a check can prove unprovable.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Reads and changes nothing, in check mode as without it.
  diff_mode:
    support: none
    description: There is nothing that differs.
notes:
  - Needs root for the ports inside containers, for the targets of Prometheus and for what was declared.
  - No registry is asked whether it has an image.
"""

EXAMPLES = r"""
- name: Compare a document of the controller with the host
  auren.stack.document_audit:
    text: "{{ lookup('ansible.builtin.file', 'ARCHITECTURE.md', rstrip=false) }}"
    path: ARCHITECTURE.md
    project_dir: /opt/auren/docker
  register: audit

- name: Show what is not true
  ansible.builtin.debug:
    msg: "{{ audit.claims | selectattr('verdict', 'eq', 'false') }}"
"""

RETURN = r"""
actions:
  description: Always empty. This module changes nothing.
  returned: always
  type: list
  elements: str
  sample: []
claims:
  description: What the document claims, by line.
  returned: success
  type: list
  elements: dict
  contains:
    line:
      description: The line in the document, 0 for what is nowhere in it.
      type: int
      sample: 12
    kind:
      description:
        - What it is about - V(container), V(image), V(port), V(address), V(network), V(subnet), V(driver), V(url), V(volume), V(path),
          V(env), V(scrape), V(arrow), V(dependency), V(health), V(count), V(version), V(restart).
        - What is always false - V(secret), V(missing), V(floating_tag), V(lasting_address), V(port_twice), V(drawn_not_listed),
          V(listed_not_drawn). And V(unread) for what is behind the last line that was read.
      type: str
      sample: port
    text:
      description: The claim in the document's own words, without secrets.
      type: str
      sample: "auren-redis · Port: 6380"
    verdict:
      description: V(true), V(false) or V(unprovable).
      type: str
      sample: "false"
    evidence:
      description: What was seen on the host, and what is true instead; never a secret.
      type: str
      sample: auren-redis publishes 127.0.0.1:6379 → 6379/tcp
summary:
  description: All of it in a line.
  returned: success
  type: str
  sample: "ARCHITECTURE.md: 91 claims, 43 true, 42 false, 6 unprovable"
false_claims:
  description: How many are false.
  returned: success
  type: int
  sample: 42
markdown:
  description: A report in Markdown, what is false first.
  returned: success
  type: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import audit_facts, audit_judge
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.module import run

SHORT = 40  # characters: a document that short is a word, which would be hidden wherever it stands

ARGUMENTS: dict[str, Any] = {
    "text": {"type": "str", "required": True, "no_log": True},
    "path": {"type": "str", "default": ""},
    "project_dir": {"type": "path", "default": "/opt/auren/docker"},
    "declared": {"type": "list", "elements": "dict", "default": []},
    "network": {"type": "str", "default": "auren-network"},
    "verification": {"type": "list", "elements": "dict", "default": []},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    params, text = module.params, module.params["text"]
    project = Path(params["project_dir"])
    facts = audit_facts.read(Engine(), text, project, params["declared"], params["network"], params["verification"])
    found = audit_judge.audit(text, facts, params["path"])
    if len(text) < SHORT:
        module.no_log_values.discard(text)
    module.no_log_values.update(found.hidden)
    return {
        "changed": False,
        "actions": [],
        "claims": [asdict(one) for one in found.claims],
        "summary": audit_judge.summary(found),
        "false_claims": found.false_claims,
        "markdown": audit_judge.markdown(found),
    }


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
