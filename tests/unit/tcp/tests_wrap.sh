#!/usr/bin/env bash
# Runs tests of the bench, given as arguments, with the initial sequence numbers of OB_TEST_ISN.
set -u
status=0
: "${OB_TEST_ISN:?}"
for exe in "$@"; do
	out=$("$exe" 2>&1) && continue
	echo "$(basename "$exe") fails with OB_TEST_ISN=$OB_TEST_ISN:"
	echo "$out" | tail -n 60
	status=1
done
exit $status
