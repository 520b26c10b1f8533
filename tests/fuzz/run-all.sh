#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-all.sh: a bounded run of every fuzz target; FUZZ_SECONDS each (default 5).
cd "$(dirname "$0")/../.." || exit 1
make -s build/fuzz/xs_fuzz || { echo "FAIL fuzz-build"; exit 1; }
rc=0
for target in wire journal state ring; do
	out=$(build/fuzz/xs_fuzz $target "${FUZZ_SECONDS:-5}" 2>&1) && echo "$out" && continue
	echo "$out"
	echo "FAIL xenstore-fuzz-$target: the input is in xs_fuzz.crash"
	rc=1
done
exit $rc
