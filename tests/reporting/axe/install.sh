#!/bin/sh
# Installs axe-core, which tests/reporting/test_page_in_browser.py runs in Chromium, into .tools. Nothing else asks for it.
set -eu
cd -- "$(dirname -- "$0")/../../.."
file=.tools/node_modules/axe-core/axe.min.js
command -v npm >/dev/null || {
    echo "npm is not installed: the page is not looked at with axe" >&2
    exit 0
}
[ -e $file ] || npm install --silent --no-save --no-package-lock --ignore-scripts --prefix .tools axe-core@4.14.1 || {
    echo "axe-core could not be installed: the page is not looked at with axe" >&2
    exit 0
}
echo "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c  $file" | sha256sum --check --quiet
