#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-all.sh: the interop tests, one after another; each prints PASS, FAIL or SKIP lines.
cd "$(dirname "$0")" || exit 1
rc=0
for t in xenstore/run.sh ./*-on-*.sh; do
	[ -x "$t" ] || continue
	"./${t#./}" || rc=1
done
exit $rc
