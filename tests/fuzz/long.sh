#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# long.sh [TARGET...]: look for new paths with libFuzzer (clang), FUZZ_CPU seconds of processor time for each target
# (default 600); then keep what is needed to reach them all, deduplicated, in tests/fuzz/corpus/TARGET.tar.xz.
set -u
cd "$(dirname "$0")/../.." || exit 1
make -s build/fuzz/xs_libfuzzer || exit 1
[ $# != 0 ] || set -- wire journal state ring
rc=0
for target; do
	dir=build/fuzz/$target kept=tests/fuzz/corpus/$target.tar.xz
	rm -rf "$dir"
	mkdir -p "$dir"/{all,kept}
	[ ! -e "$kept" ] || tar -C "$dir/all" -xJf "$kept"
	export XS_FUZZ=$target
	XS_FUZZ_SEED=$dir/all/seed build/fuzz/xs_libfuzzer
	# The limit of processor time ends it, with SIGXCPU.
	(
		ulimit -S -t "${FUZZ_CPU:-600}"
		exec build/fuzz/xs_libfuzzer -max_len=2048 -rss_limit_mb=1024 -artifact_prefix="$dir/" "$dir/all"
	) >"$dir/log" 2>&1
	if [ $? != 152 ]; then
		echo "FAIL xenstore-fuzz-$target: $(grep -m 1 -E 'ERROR|xs_fuzz:|runtime error' "$dir/log"); see $dir/log"
		rc=1
		continue
	fi
	build/fuzz/xs_libfuzzer -merge=1 "$dir/kept" "$dir/all" >"$dir/merge.log" 2>&1 || rc=1
	mkdir -p tests/fuzz/corpus
	tar -C "$dir/kept" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "$kept" .
	echo "PASS xenstore-fuzz-$target (${FUZZ_CPU:-600} s of processor time: $(grep -E '^#[0-9]' "$dir/log" | tail -n 1 |
		sed 's/ *lim:.*//'); $(find "$dir/kept" -type f | wc -l) inputs kept)"
done
exit $rc
