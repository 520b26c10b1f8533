#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# selftests.sh OUT: build Linux's own mm tests (tools/testing/selftests/vm of Debian's linux-source-6.1), static, into OUT.
#
# Left out, and why:
#   hugepage-*, hugetlb-madvise, map_hugetlb, thuge-gen, khugepaged, split_huge_page_test, transhuge-stress, write_to_hugetlbfs,
#   compaction_test     need huge pages, which PV guests have not
#   gup_test, hmm-tests, test_vmalloc.sh   need kernel test modules that Debian's configuration leaves out
#   va_128TBswitch      needs five-level page tables
#   protection_keys     needs protection keys, which PV guests are not offered
#   migration           needs two NUMA nodes
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
for source in build/guest-kernel/source-unpatched build/cache/linux-source-6.1/linux-source-6.1; do
	tests=$source/tools/testing/selftests/vm
	[ ! -d "$tests" ] || break
done
[ -d "$tests" ] || {
	echo "selftests: no Linux source below build; run 'make guest-kernel'" >&2
	exit 1
}
mkdir -p "$out"
for t in madv_populate map_fixed_noreplace map_populate memfd_secret mlock-random-test mlock2-tests mrelease_test mremap_dontunmap \
	mremap_test on-fault-limit userfaultfd soft-dirty ksm_tests virtual_address_range; do
	more=()
	! grep -q '"vm_util.h"' "$tests/$t.c" || more+=("$tests/vm_util.c")
	gcc -O2 -w -static -no-pie -I "$source" -o "$out/$t" "$tests/$t.c" "${more[@]}" -lrt -lpthread -lcap -lnuma
done
