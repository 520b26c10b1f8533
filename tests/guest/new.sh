#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# new.sh NAME: begin a new test guest. Then: make guests && tests/guest/run.py NAME
set -eu
cd "$(dirname "$0")"
name=${1:-}
if [[ ! $name =~ ^[a-z][a-z0-9-]*$ ]]; then
	echo "usage: new.sh NAME, NAME of lower-case letters, digits and dashes" >&2
	exit 2
fi
if [ -e "$name.c" ]; then
	echo "tests/guest/$name.c is there already; choose another name" >&2
	exit 1
fi
cat >"$name.c" <<END
// SPDX-License-Identifier: BSD-2-Clause
/*
 * One line on the behaviour under test.
 *
 * What is done, what is expected, and which part of the ABI says so. Settings for run.py, if any,
 * stand on a line of their own here, such as "run: cpus=2 time=120 mem=1G options=sched=credit".
 */

#include "guest.h"

const char test_name[] = "$name";

void test_main(void)
{
	check("xen_version answers", hc_xen_version(XENVER_version, 0), 4 << 16 | 17);
}
END
echo "tests/guest/$name.c: write it, then: make guests && tests/guest/run.py $name"
