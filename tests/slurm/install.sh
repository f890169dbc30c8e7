#!/bin/sh
# Installs what tests/workflow/test_slurm.py starts: Slurm's daemons and munge, from Debian or Ubuntu. Nothing is started here.
set -eu
command -v slurmctld slurmd munged >/dev/null && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || {
    echo "Slurm is not installed and cannot be: its tests will be skipped" >&2
    exit 0
}
# The packages would start services; a machine that runs none of its own says so by itself.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null; } ||
    echo "Slurm could not be installed: its tests will be skipped" >&2
