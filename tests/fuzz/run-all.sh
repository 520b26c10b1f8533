#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-all.sh: every input kept in tests/fuzz/corpus, then a bounded run of every target; FUZZ_SECONDS each (default 3).
cd "$(dirname "$0")/../.." || exit 1
make -s build/fuzz/xs_fuzz || { echo "FAIL fuzz-build"; exit 1; }
rc=0
for target in wire journal state ring; do
	dir=build/fuzz/corpus/$target
	rm -rf "$dir"
	mkdir -p "$dir"
	tar -C "$dir" -xJf "tests/fuzz/corpus/$target.tar.xz"
	out=$(build/fuzz/xs_fuzz $target "${FUZZ_SECONDS:-3}" "$RANDOM" "$dir"/* 2>&1) && echo "$out" && continue
	echo "$out"
	echo "FAIL xenstore-fuzz-$target: the input is in xs_fuzz.crash"
	rc=1
done
exit $rc
