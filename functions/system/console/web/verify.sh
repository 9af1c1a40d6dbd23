#!/bin/sh
# Proves that dist/ is what the sources build to, and runs the page's tests. Where something is missing, the
# last line says what. HEARTH_NPM=1 lets it install the packages of package-lock.json first, as CI does.
set -eu
cd "$(dirname "$0")"

skip() {
  echo "SKIP the console's page: $1"
  exit 0
}

command -v node >/dev/null || skip "node is not installed"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
  skip "node $(node --version) is older than 20.19"
if [ ! -d node_modules ]; then
  [ -n "${HEARTH_NPM:-}" ] || skip "its packages are not installed (npm ci in functions/system/console/web, or HEARTH_NPM=1)"
  npm ci --no-audit --no-fund
fi

npm run --silent check
npm test --silent

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
npx --no-install vite build --logLevel warn --outDir "$fresh" --emptyOutDir
if ! diff -r "$fresh" ../dist; then
  echo "dist/ does not belong to the sources: run npm run build in functions/system/console/web and commit it" >&2
  exit 1
fi

node --test --test-reporter spec test/browser.test.mjs test/real.test.mjs
