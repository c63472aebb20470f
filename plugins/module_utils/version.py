# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's version, as galaxy.yml has it: for the records on a host, where galaxy.yml does not come along."""

VERSION = "0.1.0"
